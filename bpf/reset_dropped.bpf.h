/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* RSTs that no full socket sends or receives: a packet that is dropped shows them, or a function. */
#ifndef TCPSHAKE_RESET_DROPPED_BPF_H
#define TCPSHAKE_RESET_DROPPED_BPF_H

#include "counters.h"
#include "passive.bpf.h"
#include "reset.bpf.h"

/* A packet ended a request of this listener. If it is a RST, report both. */
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
	e.listener = (__u64)sk;
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
 * Where tcp_send_reset is silent without a socket, the SYN that is dropped for want of one shows
 * the RST.
 */
static __always_inline void no_socket_dropped(struct sk_buff *skb, __u32 reason)
{
	struct event_reset e = { .reason = NO_REASON, .direction = RESET_SENT };
	struct counters *c = this_cpu_counters();
	struct namespace_counts *n;
	struct packet p = {};

	if (!c || send_reset_has_reason() || resets_by_function() ||
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
