/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* RSTs that this host sends, through tcp_send_reset. */
#ifndef TCPSHAKE_RESET_SENT_BPF_H
#define TCPSHAKE_RESET_SENT_BPF_H

#include "caller.bpf.h"
#include "counters.h"
#include "maps.h"
#include "reset.bpf.h"

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
		/* The worker of an MPTCP connection ends its subflows as SOCK_DESTROY does. */
		e->abort = is_subflow(sk) ? ABORT_UNKNOWN : ABORT_DESTROYED;
		return;
	}
	e->abort = abort_by_owner(sk, flags, e->reason);
	store_caller(&e->pid, &e->uid, e->comm);
}

/*
 * A listener answers an ACK: for a full accept queue, or because no request fits it. The former
 * shows in its reason (INVALID_SYN, 6.10), before by the queue and the sysctl.
 */
static __always_inline bool aborts_on_overflow(struct sock *sk, const struct packet *p, __u32 reason)
{
	if (!BPF_CORE_READ(sk, __sk_common.skc_net.net, ipv4.sysctl_tcp_abort_on_overflow) ||
	    p->flags & FLAG_SYN)
		return false;
	if (send_reset_has_reason())
		return reason == bpf_core_enum_value(enum sk_rst_reason, SK_RST_REASON_INVALID_SYN);
	return BPF_CORE_READ(sk, sk_ack_backlog) > BPF_CORE_READ(sk, sk_max_ack_backlog);
}

/* A segment that answers no SYN of this attempt, of an older connection between the ports. */
static __always_inline void attempt_stray(struct sock *sk)
{
	struct attempt *a = attempt_find((__u64)sk, IN_SLOTS);

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
	if (state == TCP_LISTEN)
		e.listener = (__u64)sk;
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

#endif
