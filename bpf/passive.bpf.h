/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Passive handshakes: one event when a child leaves SYN_RECV.
 *
 * The child enters and leaves SYN_RECV at the final ACK, microseconds apart: the handshake was
 * the request sock's, whose SYN-ACK the kernel timed. That measurement (srtt) is true unless the
 * SYN-ACK was sent again or the request was a cookie; for the former the time of the first
 * SYN-ACK is kept when the second one leaves.
 */
#ifndef TCPSHAKE_PASSIVE_BPF_H
#define TCPSHAKE_PASSIVE_BPF_H

#include "child.bpf.h"
#include "counters.h"
#include "listener.bpf.h"
#include "maps.h"
#include "outcome.h"
#include "retransmit.bpf.h"
#include "socket.bpf.h"
#include "stream.bpf.h"
#include "waiting.bpf.h"

/* Only requests whose SYN-ACK was retransmitted; the daemon removes those that came to nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC); /* few hosts have any; those with a flood have all */
	__uint(max_entries, 16384);
	__type(key, struct request_key);
	__type(value, struct request);
} requests SEC(".maps") __weak;

/* True if its ACK has come and was not taken, and that is new. */
static __always_inline bool passive_retransmitted(struct sock *sk, struct request_sock *req)
{
	struct inet_request_sock *ireq = (struct inet_request_sock *)req;
	struct tcp_request_sock *treq = (struct tcp_request_sock *)req;
	struct request r = { .last_ns = bpf_ktime_get_ns() }, *before;
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk); /* the listener, or a Fast Open child */
	struct request_key key = {};
	struct counters *c;
	bool refused;

	if (!tp)
		return false;
	store_addresses((struct sock *)req, key.local_addr, key.remote_addr);
	key.netns = socket_netns(tp);
	key.local_port = req->__req_common.skc_num;
	key.remote_port = bpf_ntohs(req->__req_common.skc_dport);
	r.expires_ns = r.last_ns + request_kept_ns(BPF_CORE_READ_BITFIELD_PROBED(req, num_timeout),
						   tp->inet_conn.icsk_accept_queue.rskq_defer_accept);
	r.start_ns = BPF_CORE_READ(treq, snt_synack) * 1000;
	r.client_isn = BPF_CORE_READ(treq, rcv_isn);
	r.retransmits = req->num_retrans + 1;
	r.acked = BPF_CORE_READ_BITFIELD_PROBED(ireq, acked);
	before = bpf_map_lookup_elem(&requests, &key);
	refused = r.acked && !(before && before->acked);
	if (bpf_map_update_elem(&requests, &key, &r, BPF_ANY)) {
		c = this_cpu_counters();
		if (c)
			count(c->request_map_full);
	}
	synack_retransmitted(sk, req, key.netns, r.last_ns, r.start_ns);
	return refused;
}

/*
 * A request rebuilt from a SYN cookie has no time of its SYN-ACK: the kernel leaves srtt at 0, or
 * takes it from the echoed timestamp, in whole milliseconds, up to 64 ms off. The cookie's
 * timestamp carries the options in its low bits (cookie_init_timestamp(): window scale, SACK),
 * which distinguishes it from a true measurement that happens to be a whole number of milliseconds.
 */
static __always_inline bool from_syncookie(struct tcp_sock *tp)
{
	__u32 srtt_us = tp->srtt_us >> 3, options;

	if (!tp->srtt_us)
		return true;
	if (srtt_us % 1000 || !BPF_CORE_READ_BITFIELD(tp, rx_opt.saw_tstamp))
		return false;
	options = BPF_CORE_READ_BITFIELD(tp, rx_opt.wscale_ok) ?
			  BPF_CORE_READ_BITFIELD(tp, rx_opt.snd_wscale) : 0xf;
	if (BPF_CORE_READ_BITFIELD(tp, rx_opt.sack_ok))
		options |= 1 << 4;
	return (tp->rx_opt.rcv_tsecr & 0x1f) == options;
}

static __always_inline void passive_times(struct event_handshake *e, struct tcp_sock *tp)
{
	struct request_key key = {};
	struct request *r;

	e->latency_ns = e->rtt_ns = e->retransmit_wait_ns = NS_UNKNOWN;
	if (!e->retransmits) {
		e->retransmit_wait_ns = 0;
		/* A child that was closed before its ACK came has no time yet either. */
		if (e->outcome != OUTCOME_ESTABLISHED || (e->flags & HANDSHAKE_FASTOPEN && !tp->srtt_us))
			return;
		if (from_syncookie(tp))
			e->flags |= HANDSHAKE_SYNCOOKIE;
		else
			e->latency_ns = e->rtt_ns = (__u64)(tp->srtt_us >> 3) * 1000;
		return;
	}
	__builtin_memcpy(key.local_addr, e->local_addr, sizeof(key.local_addr));
	__builtin_memcpy(key.remote_addr, e->remote_addr, sizeof(key.remote_addr));
	key.netns = e->header.netns;
	key.local_port = e->local_port;
	key.remote_port = e->remote_port;
	r = bpf_map_lookup_elem(&requests, &key);
	if (!r) {
		e->flags |= HANDSHAKE_PARTIAL;
		return;
	}
	e->latency_ns = e->end_ns - r->start_ns;
	if (e->outcome == OUTCOME_ESTABLISHED)
		split_latency(e, tp, r->start_ns, r->last_ns);
	else if (e->outcome == OUTCOME_TIMEOUT)
		e->retransmit_wait_ns = e->latency_ns;
	bpf_map_delete_elem(&requests, &key);
}

/* What left SYN_RECV for ESTABLISHED, or for FIN_WAIT1: a Fast Open child, which was closed before its final ACK came. */
static __always_inline bool is_accepted(int newstate)
{
	return newstate == TCP_ESTABLISHED || newstate == TCP_FIN_WAIT1;
}

/* A frame of its own: its caller's is as large as the verifier of 6.1 takes. */
static __noinline int child_accepted(const struct event_handshake *e, struct sock *sk, int newstate)
{
	struct service_key service = service_of(e->header.netns, e->local_port, sk->__sk_common.skc_family);
	__u64 socket = e->listener.socket;

	if (newstate == TCP_ESTABLISHED)
		waiting_begin(sk, e->end_ns, socket ? socket : service_queue(service));
	return listener_accepted(socket, service, e->listener.accept_queue_len, e->listener.accept_queue_max);
}

/* The listener's part comes first: the verifier walks it once for each combination of what was found before it. */
static __always_inline void passive_end(struct sock *sk, struct tcp_sock *tp, int newstate)
{
	struct event_handshake e = {};
	struct namespace_counts *n;

	e.header.kind = EVENT_HANDSHAKE;
	e.header.len = sizeof(e);
	e.header.netns = socket_netns(tp);
	e.end_ns = end_time(tp, newstate);
	e.role = ROLE_PASSIVE;
	e.error = sk->sk_err;
	e.local_port = bpf_ntohs(tp->inet_conn.icsk_inet.inet_sport);
	e.listener.accept_queue_len = sk->sk_ack_backlog;
	e.listener.accept_queue_max = sk->sk_max_ack_backlog;
	e.listener.socket = child_listener(sk);
	if (is_accepted(newstate)) {
		e.outcome = OUTCOME_ESTABLISHED;
		if (child_accepted(&e, sk, newstate) && newstate == TCP_ESTABLISHED)
			e.flags |= HANDSHAKE_DEFERRED;
	} else { /* only a Fast Open child lives long enough to get here */
		e.outcome = failed_outcome(e.error);
	}
	e.retransmits = tp->total_retrans > 0xffff ? 0xffff : tp->total_retrans;
	store_addresses(sk, e.local_addr, e.remote_addr);
	e.remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	e.cgroup_id = tcp_cgroup_id(tp);
	if (socket_elsewhere(sk))
		e.flags |= HANDSHAKE_ELSEWHERE;
	e.client_isn = tp->rcv_nxt - (__u32)tp->bytes_received - 1;
	if (BPF_CORE_READ_BITFIELD(tp, syn_data_acked))
		e.flags |= HANDSHAKE_FASTOPEN;
	n = namespace_find(e.header.netns, true);
	if (n && is_accepted(newstate))
		count_alone(n->accepted);
	else if (n && e.error)
		count_alone(n->failed);
	passive_times(&e, tp);
	if (e.flags & HANDSHAKE_DEFERRED)
		e.rtt_ns = NS_UNKNOWN; /* the client may have been idle since its ACK */
	if (n && e.flags & HANDSHAKE_SYNCOOKIE)
		count_alone(n->cookies);
	emit_handshake(&e);
}

/* A request that its client ended with a RST, which `reset` reports; `sk` is the listener. */
static __always_inline void passive_reset(const struct event_reset *reset, struct sock *sk)
{
	struct event_handshake e = { .role = ROLE_PASSIVE, .outcome = OUTCOME_RESET,
				     .flags = HANDSHAKE_RESET };
	struct request_key key = {};
	struct request *r;

	e.header.kind = EVENT_HANDSHAKE;
	e.header.len = sizeof(e);
	e.header.netns = key.netns = reset->header.netns;
	e.end_ns = reset->mono_ns;
	e.latency_ns = e.rtt_ns = NS_UNKNOWN;
	__builtin_memcpy(e.local_addr, reset->local_addr, sizeof(e.local_addr));
	__builtin_memcpy(e.remote_addr, reset->remote_addr, sizeof(e.remote_addr));
	__builtin_memcpy(key.local_addr, reset->local_addr, sizeof(key.local_addr));
	__builtin_memcpy(key.remote_addr, reset->remote_addr, sizeof(key.remote_addr));
	e.local_port = key.local_port = reset->local_port;
	e.remote_port = key.remote_port = reset->remote_port;
	e.cgroup_id = socket_cgroup_id(sk);
	if (socket_elsewhere(sk))
		e.flags |= HANDSHAKE_ELSEWHERE;
	e.listener.accept_queue_len = BPF_CORE_READ(sk, sk_ack_backlog);
	e.listener.accept_queue_max = BPF_CORE_READ(sk, sk_max_ack_backlog);
	e.listener.socket = (__u64)sk;
	r = bpf_map_lookup_elem(&requests, &key);
	if (r) {
		e.latency_ns = e.end_ns - r->start_ns;
		e.client_isn = r->client_isn;
		e.retransmits = r->retransmits;
		bpf_map_delete_elem(&requests, &key);
		e.retransmit_wait_ns = NS_UNKNOWN;
	} else { /* its SYN-ACK went out once, at an unknown time */
		e.flags |= HANDSHAKE_NO_ISN;
	}
	emit_handshake(&e);
}

#endif
