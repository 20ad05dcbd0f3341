// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The programs that see handshakes and listeners begin and end. */
#include "active.bpf.h"
#include "listener.bpf.h"
#include "overflow.bpf.h"
#include "passive.bpf.h"
#include "reset.bpf.h"
#include "retransmit.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __noinline void listener_changed(struct sock *sk, enum listener_event event)
{
	struct counters *c = this_cpu_counters();
	struct event_listener e = {};

	if (!c || sk->sk_protocol != IPPROTO_TCP)
		return;
	store_listener(&e, sk);
	e.event = event;
	e.pid = bpf_get_current_pid_tgid() >> 32;
	e.uid = (__u32)bpf_get_current_uid_gid();
	bpf_get_current_comm(e.comm, sizeof(e.comm));
	if (event == LISTENER_OPENED)
		listener_watch(&e, sk->__sk_common.skc_family);
	else
		listener_forget(&e);
	count(c->events[EVENT_LISTENER]);
	deliver(c, &e, sizeof(e), EVENT_LISTENER);
}

/*
 * A socket in SYN_RECV with a file is in a simultaneous open, unless it is a Fast Open child that
 * was accepted early: then there is no attempt for it.
 */
static __always_inline bool is_active(struct sock *sk, struct tcp_sock *tp, int oldstate, bool slots)
{
	return oldstate == TCP_SYN_SENT ||
	       (tp->inet_conn.icsk_inet.sk.sk_socket && attempt_find((__u64)sk, slots));
}

/* Into SYN_SENT, or out of SYN_SENT or SYN_RECV. */
static __always_inline void handshake_changed(struct sock *sk, int oldstate, int newstate, bool slots,
					      bool cast)
{
	struct tcp_sock *tp = tcp_socket(sk, cast);

	if (!tp) /* an MPTCP socket, whose subflows have events of their own */
		return;
	if (newstate == TCP_SYN_SENT)
		active_begin(sk, tp, slots);
	else if (oldstate == TCP_SYN_SENT && newstate == TCP_SYN_RECV)
		active_crossed(sk, slots);
	else if (is_active(sk, tp, oldstate, slots))
		active_end(sk, tp, newstate, slots);
	else
		passive_end(sk, tp, newstate);
}

static __always_inline void connection_closed(struct sock *sk, int oldstate)
{
	fin_wait_closed(sk, oldstate);
	waiting_end(sk);
}

/*
 * Called for every state change of every TCP socket, six times a connection on loopback, so it
 * decides by the two states before it reads anything.
 */
static __always_inline int state_changed(struct sock *sk, int oldstate, int newstate, bool slots,
					 bool cast)
{
	if (newstate == TCP_SYN_SENT || oldstate == TCP_SYN_SENT || oldstate == TCP_SYN_RECV)
		handshake_changed(sk, oldstate, newstate, slots, cast);
	else if (newstate == TCP_LISTEN && oldstate == TCP_CLOSE)
		listener_changed(sk, LISTENER_OPENED);
	else if (oldstate == TCP_LISTEN && newstate == TCP_CLOSE)
		listener_changed(sk, LISTENER_CLOSED);
	else if (newstate == TCP_CLOSE)
		connection_closed(sk, oldstate);
	return 0;
}

/* One of the three: with slots, or for kernels whose atomics return nothing, with the hash only. */
SEC("tp_btf/inet_sock_set_state")
int state_slots(__u64 *ctx)
{
	return state_changed((struct sock *)ctx[0], (int)ctx[1], (int)ctx[2], true, false);
}

SEC("tp_btf/inet_sock_set_state")
int state_hash(__u64 *ctx)
{
	return state_changed((struct sock *)ctx[0], (int)ctx[1], (int)ctx[2], false, false);
}

/*
 * For kernels that let a task be preempted inside the programs above, which then miss every run on
 * that CPU until it is back: a classic tracepoint's are not preempted, but cost some more.
 */
SEC("tp/sock/inet_sock_set_state")
int state_classic(struct trace_event_raw_inet_sock_set_state *ctx)
{
	struct sock *sk = bpf_rdonly_cast(ctx->skaddr, sock_type);

	return state_changed(sk, ctx->oldstate, ctx->newstate, true, true);
}

SEC("tp_btf/tcp_retransmit_synack")
int retransmit_synack(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	struct request_sock *req = (struct request_sock *)ctx[1];

	if (passive_retransmitted(sk, req))
		overflow_retransmitted(sk, req);
	return 0;
}

SEC("tp_btf/tcp_retransmit_skb")
int retransmit_skb(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	int error = 0;

	if (sk->__sk_common.skc_state != TCP_SYN_SENT)
		return 0;
	if (retransmit_tells_error())
		error = (int)ctx[2];
	syn_retransmitted(sk, error);
	return 0;
}

/* Raw, for the first two arguments may be NULL, and not all kernels say so. */
SEC("raw_tp/tcp_send_reset")
int send_reset(__u64 *ctx)
{
	__u32 reason = NO_REASON;

	if (send_reset_tells_all())
		reason = (__u32)ctx[2];
	return reset_sent((struct sock *)ctx[0], (struct sk_buff *)ctx[1], reason);
}

SEC("tp_btf/tcp_receive_reset")
int receive_reset(__u64 *ctx)
{
	reset_received((struct sock *)ctx[0]);
	return 0;
}

/* What this kernel does not tell: run once, by the daemon, to ask. */
SEC("raw_tp")
int untold(void *ctx)
{
	(void)ctx;
	return (has_overflow_reason() ? 0 : UNTOLD_REQUEST_RESET) |
	       (send_reset_tells_all() ? 0 : UNTOLD_NO_SOCKET) |
	       (retransmit_tells_error() ? 0 : UNTOLD_SEND_FAILED);
}

SEC("raw_tp/neigh_timer_handler")
int neighbour_handled(__u64 *ctx)
{
	neighbour_timer((struct neighbour *)ctx[0]);
	return 0;
}

/* With the receiving socket, from 6.11 (c53795d48ee8 "net: add rx_sk to trace_kfree_skb"). */
SEC("raw_tp/kfree_skb")
int skb_dropped(__u64 *ctx)
{
	overflow_dropped((struct sk_buff *)ctx[0], (__u32)ctx[2], (struct sock *)ctx[3]);
	request_dropped((struct sk_buff *)ctx[0], (__u32)ctx[2], (struct sock *)ctx[3]);
	return 0;
}

/* With a reason only, from 5.17; attached where the one above is refused. */
SEC("raw_tp/kfree_skb")
int skb_dropped_reason(__u64 *ctx)
{
	no_socket_dropped((struct sk_buff *)ctx[0], (__u32)ctx[2]);
	return 0;
}
