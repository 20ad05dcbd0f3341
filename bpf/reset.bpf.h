/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * RSTs, sent and received. What is sent comes through tcp_send_reset, in answer to a packet or,
 * without one, because the local application ended a connection; before 6.10 that
 * tracepoint is silent where there is no full socket, so that a closed port shows as a dropped
 * packet only. Received: tcp_receive_reset, full sockets only; a request's RST is a dropped packet, or one that
 * tcp_check_req() was seen to end it for.
 */
#ifndef TCPSHAKE_RESET_BPF_H
#define TCPSHAKE_RESET_BPF_H

#include "active.bpf.h"
#include "packet.bpf.h"
#include "passive.bpf.h"

/* functions.bpf.c tells those without a full socket. Set before anything is attached. */
volatile __u8 resets_by_function __weak = 0;

/*
 * A socket that is aborted is in CLOSE already as its RST leaves. That of a connection whose FIN was
 * sent came there from FIN_WAIT on the same CPU right before. The RST is told once it is sent, and over
 * loopback received: its peer's socket may have closed in between. Another's may have had its address.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64); /* the last socket's address */
} closed_in_fin_wait SEC(".maps") __weak;

static __always_inline void fin_wait_closed(struct sock *sk, int oldstate)
{
	__u32 zero = 0;
	__u64 *last = bpf_map_lookup_elem(&closed_in_fin_wait, &zero);

	if (!last)
		return;
	if (oldstate == TCP_FIN_WAIT1 || oldstate == TCP_FIN_WAIT2)
		*last = (__u64)sk;
	else if (*last == (__u64)sk)
		*last = 0;
}

/* SOCK_DONE: the peer's FIN had come. */
static __always_inline bool was_closing(struct sock *sk)
{
	__u32 zero = 0;
	__u64 *last = bpf_map_lookup_elem(&closed_in_fin_wait, &zero);

	return (last && *last == (__u64)sk) ||
	       BPF_CORE_READ(sk, __sk_common.skc_flags) &
		       (1UL << bpf_core_enum_value(enum sock_flags, SOCK_DONE));
}

static __always_inline __u8 phase_of(struct sock *sk, unsigned char state)
{
	switch (state) {
	case TCP_SYN_SENT:
		return PHASE_SYN_SENT;
	case TCP_SYN_RECV:
	case TCP_NEW_SYN_RECV:
		return PHASE_SYN_RECV;
	case TCP_ESTABLISHED:
		return PHASE_ESTABLISHED;
	case TCP_LISTEN:
		return PHASE_NONE;
	case TCP_CLOSE:
		return was_closing(sk) ? PHASE_CLOSING : PHASE_ESTABLISHED;
	default:
		return PHASE_CLOSING;
	}
}

static __always_inline void emit_reset(struct counters *c, struct event_reset *e)
{
	e->header.kind = EVENT_RESET;
	e->header.len = sizeof(*e);
	deliver(c, e, sizeof(*e), EVENT_RESET);
}

/*
 * Exact, whatever becomes of the records. Each direction is one program's to count: but for the
 * kernels whose tracepoints leave out some of what is sent, and on which programs nest.
 */
static __always_inline void count_reset(struct counters *c, __u32 direction, __u32 cause)
{
	if (direction < DIRECTIONS && cause < RESET_CAUSES)
		count_alone(c->resets[direction][cause]);
}

/*
 * What the filter leaves out does not use up the limit. Filters of the ends need the ends; what else
 * the record holds is read once it is wanted, for most of a storm's are not. Whose it is, a full socket
 * tells (`full`, or NULL).
 */
static __always_inline bool reset_wanted(struct counters *c, struct event_reset *e, struct sock *full)
{
	if (!within_limit(c, EVENT_RESET, RESETS_PER_SECOND,
			  (!filter.netns || filter.netns == e->header.netns) &&
				  (!filter.by_cgroup || (full && !socket_elsewhere(full))) &&
				  ends_wanted(e->local_port, e->remote_port, e->remote_addr)))
		return false;
	e->cgroup_id = full ? socket_cgroup_id(full) : 0;
	return true;
}

/* What is not full has no cgroup: nobody's, and a request is its listener's. */
static __always_inline struct sock *full_socket(struct sock *sk, unsigned char state)
{
	return state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV ? NULL : sk;
}

static __always_inline void reset_ends(struct event_reset *e, const struct packet *p)
{
	__builtin_memcpy(e->local_addr, p->local_addr, 16);
	__builtin_memcpy(e->remote_addr, p->remote_addr, 16);
	e->local_port = p->local_port;
	e->remote_port = p->remote_port;
}

/* The ends of a socket whose type the verifier does not know. */
static __always_inline void reset_socket_ends(struct event_reset *e, struct sock *sk)
{
	struct inet_sock *inet = (struct inet_sock *)sk;

	store_probed_addresses(sk, e->local_addr, e->remote_addr);
	e->local_port = bpf_ntohs(BPF_CORE_READ(inet, inet_sport));
	e->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
}

static __always_inline void reset_caller(struct event_reset *e, struct sock *sk)
{
	struct attempt *a = attempt_find((__u64)sk, true);

	if (!a)
		return;
	e->pid = a->pid;
	e->uid = a->uid;
	__builtin_memcpy(e->comm, a->comm, sizeof(a->comm));
}

static __always_inline bool has_flag(unsigned long flags, __u64 flag)
{
	return flags & (1UL << flag);
}

/* Why close() or connect() sent a RST; the order is that of __tcp_close(). */
static __always_inline __u8 abort_by_owner(struct sock *sk, unsigned long flags, __u32 reason)
{
	bool named = bpf_core_enum_value_exists(enum sk_rst_reason, SK_RST_REASON_TCP_ABORT_ON_CLOSE);

	if (named && reason == bpf_core_enum_value(enum sk_rst_reason,
						   SK_RST_REASON_TCP_ABORT_ON_CLOSE))
		return ABORT_UNREAD;
	if (has_flag(flags, bpf_core_enum_value(enum sock_flags, SOCK_LINGER)) &&
	    !BPF_CORE_READ(sk, sk_lingertime))
		return ABORT_LINGER;
	if (!BPF_CORE_READ(sk, sk_shutdown)) /* close() has set it */
		return ABORT_DISCONNECT;
	return named || BPF_CORE_READ((struct tcp_sock *)sk, linger2) < 0 ? ABORT_UNKNOWN : ABORT_UNREAD;
}

/* Of an MPTCP connection, whose worker ends it as SOCK_DESTROY does. */
static __always_inline bool is_subflow(struct sock *sk)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;

	return bpf_core_field_exists(tp->is_mptcp) && BPF_CORE_READ(tp, is_mptcp);
}

/*
 * The application ended the connection, if it holds the socket's lock, and only then is the current
 * task the one that did. SOCK_DESTROY does not set CLOSE first. A timer, or the end of a listener, whose
 * connections nobody has had and so nobody has left (SOCK_DEAD), holds no lock.
 */
static __always_inline void reset_aborted(struct event_reset *e, struct sock *sk)
{
	unsigned long flags = BPF_CORE_READ(sk, __sk_common.skc_flags);

	e->cause = RESET_ABORT;
	if (!BPF_CORE_READ(sk, sk_lock.owned)) {
		e->abort = BPF_CORE_READ(sk, sk_socket) ||
					   has_flag(flags, bpf_core_enum_value(enum sock_flags,
									       SOCK_DEAD)) ?
				   ABORT_TIMER :
				   ABORT_UNACCEPTED;
		return;
	}
	if (BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_CLOSE) {
		e->abort = is_subflow(sk) ? ABORT_UNKNOWN : ABORT_DESTROYED;
		return;
	}
	e->abort = abort_by_owner(sk, flags, e->reason);
	e->pid = bpf_get_current_pid_tgid() >> 32;
	e->uid = (__u32)bpf_get_current_uid_gid();
	bpf_get_current_comm(e->comm, sizeof(e->comm));
}

/*
 * A listener answers a SYN that is inside of a request's window, and else none; a SYN with an ACK may
 * also fit no request. The former is told by its reason (INVALID_SYN, 6.10).
 */
static __always_inline bool spoils_request(const struct packet *p, __u32 reason)
{
	if (!(p->flags & FLAG_SYN))
		return false;
	if (send_reset_tells_all())
		return reason == bpf_core_enum_value(enum sk_rst_reason, SK_RST_REASON_INVALID_SYN);
	return !(p->flags & FLAG_ACK);
}

static __always_inline void reset_answers(struct event_reset *e, struct sock *sk,
					  const struct packet *p, unsigned char state)
{
	reset_ends(e, p);
	if (!sk) {
		e->cause = (p->flags & (FLAG_SYN | FLAG_ACK)) == FLAG_SYN ? RESET_PORT_CLOSED :
									   RESET_NO_CONNECTION;
		if (e->cause == RESET_PORT_CLOSED) {
			e->client_isn = p->seq;
			e->has_isn = 1;
			refusal_keep(p, e->mono_ns);
		}
	} else if (state == TCP_LISTEN && spoils_request(p, e->reason)) {
		e->cause = RESET_INVALID;
		e->phase = PHASE_SYN_RECV;
	} else if (state == TCP_LISTEN) {
		e->cause = RESET_NO_CONNECTION;
	} else if (state == TCP_TIME_WAIT || state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 ||
		   state == TCP_CLOSING || state == TCP_LAST_ACK || state == TCP_CLOSE) {
		e->cause = RESET_LATE;
		e->phase = PHASE_CLOSING;
	} else {
		e->cause = RESET_INVALID;
		if (state == TCP_SYN_SENT) {
			reset_caller(e, sk);
			e->client_isn = BPF_CORE_READ((struct tcp_sock *)sk, snd_una);
			e->has_isn = 1;
		}
	}
}

/*
 * A listener answers an ACK: for a full accept queue, or because no request fits it. The former
 * is told by its reason (INVALID_SYN, 6.10), before by the queue and the sysctl.
 */
static __always_inline bool aborts_on_overflow(struct sock *sk, const struct packet *p, __u32 reason)
{
	if (!BPF_CORE_READ(sk, __sk_common.skc_net.net, ipv4.sysctl_tcp_abort_on_overflow) ||
	    p->flags & FLAG_SYN)
		return false;
	if (send_reset_tells_all())
		return reason == bpf_core_enum_value(enum sk_rst_reason, SK_RST_REASON_INVALID_SYN);
	return BPF_CORE_READ(sk, sk_ack_backlog) > BPF_CORE_READ(sk, sk_max_ack_backlog);
}

/* A segment that answers no SYN of this attempt, of an older connection between the ports. */
static __always_inline void attempt_stray(struct sock *sk)
{
	struct attempt *a = attempt_find((__u64)sk, true);

	if (a)
		a->stray = 1;
}

/* The local application, or the kernel for it, ends a connection. */
static __always_inline void abort_sent(struct sock *sk, __u32 reason)
{
	struct event_reset e = { .reason = reason, .direction = RESET_SENT, .cause = RESET_ABORT };
	struct counters *c = this_cpu_counters();
	struct namespace_counts *n;

	if (!c)
		return;
	e.header.netns = netns_number(BPF_CORE_READ(sk, __sk_common.skc_net.net), true);
	n = namespace_counts(e.header.netns);
	if (n)
		count_alone(n->resets);
	count_reset(c, RESET_SENT, RESET_ABORT);
	if (filters_ends())
		reset_socket_ends(&e, sk);
	if (!reset_wanted(c, &e, sk))
		return;
	e.mono_ns = bpf_ktime_get_ns();
	e.phase = phase_of(sk, BPF_CORE_READ(sk, __sk_common.skc_state));
	if (!filters_ends())
		reset_socket_ends(&e, sk);
	reset_aborted(&e, sk);
	emit_reset(c, &e);
}

/* A packet is answered, which a socket has received, or none. */
static __always_inline void answer_sent(struct sock *sk, struct sk_buff *skb, __u32 reason)
{
	struct event_reset e = { .reason = reason, .direction = RESET_SENT,
				 .mono_ns = bpf_ktime_get_ns() };
	struct counters *c = this_cpu_counters();
	struct namespace_counts *n;
	struct packet p = {};
	unsigned char state = 0;

	if (!c)
		return;
	if (sk) {
		state = BPF_CORE_READ(sk, __sk_common.skc_state);
		e.header.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
		e.phase = phase_of(sk, state);
	} else {
		e.header.netns = packet_netns(skb);
	}
	packet_read(&p, skb);
	reset_answers(&e, sk, &p, state);
	if (state == TCP_SYN_SENT)
		attempt_stray(sk);
	if (state == TCP_LISTEN && aborts_on_overflow(sk, &p, reason)) {
		e.cause = RESET_ABORT_ON_OVERFLOW;
		e.phase = PHASE_SYN_RECV;
		e.client_isn = p.seq - 1;
		e.has_isn = 1;
	}
	n = namespace_counts(e.header.netns);
	if (n)
		count_alone(n->resets);
	if (n && e.cause == RESET_ABORT_ON_OVERFLOW)
		count(n->aborts);
	else if (n && state == TCP_LISTEN && e.cause == RESET_INVALID)
		count(n->request_resets);
	count_reset(c, RESET_SENT, e.cause);
	if (reset_wanted(c, &e, full_socket(sk, state)))
		emit_reset(c, &e);
}

static __noinline int reset_sent(struct sock *sk, struct sk_buff *skb, __u32 reason)
{
	if (skb)
		answer_sent(sk, skb, reason);
	else if (sk)
		abort_sent(sk, reason);
	return 0;
}

/*
 * tcp_rcv_state_process() ends a connection with tcp_reset(), as if a RST had come, for data that
 * comes in FIN_WAIT after the application has closed: tcp_receive_reset fires, nothing tells which.
 */
static __always_inline bool data_after_close(struct sock *sk, unsigned char state)
{
	return (state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2) &&
	       BPF_CORE_READ(sk, sk_shutdown) & 1 /* RCV_SHUTDOWN */;
}

static __always_inline void reset_received(struct sock *sk)
{
	struct event_reset e = { .reason = NO_REASON, .direction = RESET_RECEIVED };
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct counters *c = this_cpu_counters();
	unsigned char state;
	struct attempt *a;

	if (!tp || !c)
		return;
	state = sk->__sk_common.skc_state;
	if (data_after_close(sk, state))
		return;
	if (state == TCP_SYN_SENT || state == TCP_SYN_RECV) {
		a = attempt_find((__u64)sk, true);
		if (a)
			a->reset = 1;
	}
	count_reset(c, RESET_RECEIVED, state == TCP_SYN_SENT ? RESET_REFUSED : RESET_PEER);
	e.header.netns = socket_netns(tp);
	if (filters_ends())
		reset_socket_ends(&e, sk);
	if (!reset_wanted(c, &e, sk))
		return;
	if (!filters_ends())
		reset_socket_ends(&e, sk);
	e.mono_ns = bpf_ktime_get_ns();
	e.phase = phase_of(sk, state);
	e.cause = e.phase == PHASE_SYN_SENT ? RESET_REFUSED : RESET_PEER;
	if (e.phase == PHASE_SYN_SENT || e.phase == PHASE_SYN_RECV)
		reset_caller(&e, sk);
	if (e.phase == PHASE_SYN_SENT) {
		e.client_isn = tp->snd_una;
		e.has_isn = 1;
	}
	emit_reset(c, &e);
}

/* A packet ended a request of this listener. If it is a RST, tell of both. */
static __noinline int request_reset(struct sk_buff *skb, struct sock *sk)
{
	struct event_reset e = { .reason = NO_REASON, .direction = RESET_RECEIVED };
	struct counters *c = this_cpu_counters();
	struct namespace_counts *n;
	struct packet p = {};

	if (!c)
		return 0;
	packet_read(&p, skb);
	if (!(p.flags & FLAG_RST))
		return 0;
	e.phase = PHASE_SYN_RECV;
	e.cause = RESET_PEER;
	e.mono_ns = bpf_ktime_get_ns();
	e.header.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	n = namespace_counts(e.header.netns);
	if (n)
		count(n->request_resets);
	reset_ends(&e, &p);
	count(c->request_resets);
	if (reset_wanted(c, &e, sk))
		emit_reset(c, &e);
	passive_reset(&e, sk);
	return 0;
}

/*
 * A RST for a request in the SYN queue, which it ends, leaves only a dropped packet. Its reason is
 * not specified, unlike that of a stray RST to a listener (TCP_RESET) and, where tcp_check_req()
 * names its reasons (6.15), of one out of the window; and what it ended was counted. What else is
 * counted as a request's end, an ACK that is refused with a RST or a bad SYN, is taken note of.
 */
static __always_inline void request_dropped(struct sk_buff *skb, __u32 reason, struct sock *sk)
{
	unsigned char state = 0;
	struct net *net;

	if (!sk || !has_overflow_reason() ||
	    (reason != bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NOT_SPECIFIED) &&
	     reason != bpf_core_enum_value(enum skb_drop_reason,
					   SKB_DROP_REASON_TCP_LISTEN_OVERFLOW)))
		return;
	bpf_core_read(&state, sizeof(state), &sk->__sk_common.skc_state);
	if (state != TCP_LISTEN)
		return;
	net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	if (embryonic_moved(net, BPF_CORE_READ(net, ns.inum)))
		request_reset(skb, sk);
}

/*
 * Where tcp_send_reset is silent without a socket, the SYN that is dropped for want of one tells
 * of the RST.
 */
static __always_inline void no_socket_dropped(struct sk_buff *skb, __u32 reason)
{
	struct event_reset e = { .reason = NO_REASON, .direction = RESET_SENT };
	struct counters *c = this_cpu_counters();
	struct namespace_counts *n;
	struct packet p = {};

	if (!c || send_reset_tells_all() || resets_by_function ||
	    reason != bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NO_SOCKET))
		return;
	packet_read(&p, skb);
	if (p.protocol != IPPROTO_TCP || (p.flags & (FLAG_SYN | FLAG_ACK | FLAG_RST)) != FLAG_SYN)
		return;
	e.mono_ns = bpf_ktime_get_ns();
	e.header.netns = packet_netns(skb);
	n = namespace_counts(e.header.netns);
	if (n)
		count_alone(n->resets);
	reset_answers(&e, NULL, &p, 0);
	count_reset(c, RESET_SENT, e.cause);
	if (reset_wanted(c, &e, NULL))
		emit_reset(c, &e);
}

#endif
