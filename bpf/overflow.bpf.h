/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Final ACKs that a full accept queue refused. (A refused SYN fires no tracepoint:
 * refused_syn.bpf.c reports it, or the daemon finds it in the listeners' drop counts.)
 *
 * The kernel accepts while len <= max, so a queue is full at max + 1. A child that could not be
 * made for another reason takes the same path: only a full queue makes it an overflow. Another
 * CPU's accept() may have made room since; at len == max that is what probably happened.
 */
#ifndef TCPSHAKE_OVERFLOW_BPF_H
#define TCPSHAKE_OVERFLOW_BPF_H

#include "client.bpf.h"
#include "counters.h"
#include "listener.bpf.h"
#include "packet.bpf.h"

static __always_inline struct listener_state *listener_state_of(struct sock *sk)
{
	struct listener_key key = { (__u64)sk };

	return bpf_map_lookup_elem(&listeners, &key);
}

/* Fill in what the listener shows. False if its queue shows no overflow. */
static __always_inline bool store_queue(struct event_overflow *e, struct sock *listener)
{
	struct inet_sock *inet = (struct inet_sock *)listener;

	e->header.kind = EVENT_OVERFLOW;
	e->header.len = sizeof(*e);
	e->header.netns = BPF_CORE_READ(listener, __sk_common.skc_net.net, ns.inum);
	e->mono_ns = bpf_ktime_get_ns();
	e->socket = (__u64)listener;
	e->local_port = bpf_ntohs(BPF_CORE_READ(inet, inet_sport));
	e->accept_queue_len = BPF_CORE_READ(listener, sk_ack_backlog);
	e->accept_queue_max = BPF_CORE_READ(listener, sk_max_ack_backlog);
	e->proven = e->accept_queue_len > e->accept_queue_max;
	return e->accept_queue_len >= e->accept_queue_max;
}

/*
 * Connections whose final ACK was refused lately, by a hash of their ends: the high half of each is another part of
 * the hash, the low half the second. A cache: what another one overwrites is taken for new.
 */
#define REFUSED_ACKS 1024

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, REFUSED_ACKS);
	__type(key, __u32);
	__type(value, __u64);
} refused_acks SEC(".maps") __weak;

static __always_inline __u64 remote_hash(const struct event_overflow *e)
{
	const __u64 *half = (const __u64 *)e->remote_addr;

	return ((half[0] + e->local_port) * 0x9e3779b97f4a7c15ULL ^ half[1]) * 0xff51afd7ed558ccdULL +
	       e->remote_port * 0xc2b2ae3d27d4eb4fULL;
}

/* Who sends the same ACK again and again brings nothing new with it. */
static __always_inline bool is_first_ack(const struct event_overflow *e)
{
	__u64 hash = remote_hash(e) * 0x9e3779b97f4a7c15ULL;
	__u64 mark = hash << 32 | (__u32)(coarse_ns() / 1000000000ULL);
	__u32 slot = hash >> 54;
	__u64 *last = bpf_map_lookup_elem(&refused_acks, &slot);

	if (!last || *last == mark)
		return false;
	*last = mark;
	return true;
}

/*
 * Anybody can cause refusals, as fast as the line is: only so many a second have events. A cause may rest on one if its
 * client is here, whose own end is asked for it, or if it is of a final ACK, which the end of the request is asked for.
 */
static __always_inline bool refusal_passes(struct counters *c, const struct event_overflow *e)
{
	if (!filter.most[EVENT_OVERFLOW] || take_place(EVENT_OVERFLOW, filter.most[EVENT_OVERFLOW]))
		return true;
	if (e->stage == STAGE_ACK ? is_first_ack(e) : e->from_here) {
		if (take_place(LIMIT_EVIDENCE, EVIDENCE_PER_SECOND))
			return true;
		count(c->unproving);
	}
	count(c->limited[EVENT_OVERFLOW]);
	return false;
}

static __always_inline void emit_overflow(struct event_overflow *e)
{
	struct counters *c = this_cpu_counters();

	if (!c)
		return;
	count(c->events[EVENT_OVERFLOW]);
	e->from_here = is_client_here(e->remote_addr);
	if (refusal_passes(c, e))
		deliver(c, e, sizeof(*e), EVENT_OVERFLOW);
}

/*
 * Where no reason of the drop is reported, the SYN-ACK that goes out again shows it: once,
 * as it goes out as often to a client that is gone.
 */
static __always_inline void overflow_retransmitted(struct sock *sk, struct request_sock *req)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;
	struct event_overflow e = {};

	if (acks_by_function() || acks_by_drop() ||
	    BPF_CORE_READ(icsk, icsk_accept_queue.rskq_defer_accept))
		return;
	store_queue(&e, sk);
	e.evidence = EVIDENCE_SYNACK_RETRANSMIT;
	e.stage = STAGE_ACK;
	store_addresses((struct sock *)req, e.local_addr, e.remote_addr);
	e.remote_port = bpf_ntohs(req->__req_common.skc_dport);
	e.client_isn = BPF_CORE_READ((struct tcp_request_sock *)req, rcv_isn);
	emit_overflow(&e);
}

/* tcp_check_req() answers with a RST if the sysctl asks for it; the ACK of a cookie does not come there. */
static __always_inline void store_action(struct event_overflow *e, struct sock *listener)
{
	if (!e->from_cookie && BPF_CORE_READ(listener, __sk_common.skc_net.net,
					     ipv4.sysctl_tcp_abort_on_overflow))
		e->action = ACTION_RESET;
}

/*
 * sk_drops_add() counts a dropped packet as often as it has segments: an ACK with data may be several, merged on their
 * way in (GRO) or not cut yet (GSO). The ACK of a cookie does not come there.
 */
static __always_inline void count_merged(struct listener_state *state, struct sk_buff *skb)
{
	struct skb_shared_info *info =
		(struct skb_shared_info *)(BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, end));
	__u16 segments = BPF_CORE_READ(info, gso_segs);

	if (segments > 1)
		__sync_fetch_and_add(&state->merged, segments - 1);
}

/* What the listener's books keep of it, for the daemon's. */
static __always_inline void count_ack(struct listener_state *state, const struct event_overflow *e,
				      struct sk_buff *skb)
{
	if (!state)
		return;
	if (e->from_cookie) {
		count(state->cookie_drops);
		return;
	}
	count_merged(state, skb);
	count(state->ack_drops);
	if (e->action == ACTION_RESET)
		count(state->ack_resets);
}

static __always_inline void store_packet(struct event_overflow *e, struct sk_buff *skb)
{
	struct packet p = {};

	packet_read(&p, skb);
	__builtin_memcpy(e->local_addr, p.local_addr, sizeof(e->local_addr));
	__builtin_memcpy(e->remote_addr, p.remote_addr, sizeof(e->remote_addr));
	e->remote_port = p.remote_port;
	e->client_isn = p.seq - (e->stage == STAGE_ACK); /* the SYN takes one */
}

/* An ACK, and neither a SYN nor a RST. */
static __always_inline bool is_ack(struct sk_buff *skb)
{
	const __u8 syn = 0x02, rst = 0x04, ack = 0x10;
	__u8 flags = 0;

	bpf_probe_read_kernel(&flags, sizeof(flags),
			      BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, transport_header) + 13);
	return (flags & (syn | rst | ack)) == ack;
}

/*
 * Before 6.15 a refused final ACK is dropped for NOT_SPECIFIED, as is one outside of the window,
 * with an old timestamp, or that TCP_DEFER_ACCEPT does not take: no proof of a refusal, whatever
 * the queue's length, but there were no more refusals than these.
 */
static __always_inline void dropped_unnamed(struct sk_buff *skb, struct sock *sk)
{
	struct listener_state *state = listener_state_of(sk);

	if (!state || !is_ack(skb))
		return;
	count_merged(state, skb);
	count(state->unnamed);
}

/*
 * Called for every packet the host drops: decides by the reason and the socket alone. A request
 * in the SYN queue is dropped for TCP_LISTEN_OVERFLOW (6.15); the ACK of a SYN cookie for
 * NO_SOCKET, though a listener received it.
 */
static __always_inline void overflow_dropped(struct sk_buff *skb, __u32 reason, struct sock *sk)
{
	struct event_overflow e = {};
	struct listener_state *state;
	unsigned char listening = 0;

	if (!sk || acks_by_function())
		return;
	if (reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NO_SOCKET))
		e.from_cookie = 1;
	else if (has_overflow_reason() ?
			 reason != bpf_core_enum_value(enum skb_drop_reason,
						       SKB_DROP_REASON_TCP_LISTEN_OVERFLOW) :
			 reason != bpf_core_enum_value(enum skb_drop_reason,
						       SKB_DROP_REASON_NOT_SPECIFIED))
		return;
	bpf_core_read(&listening, sizeof(listening), &sk->__sk_common.skc_state);
	if (listening != TCP_LISTEN)
		return;
	if (!e.from_cookie && !has_overflow_reason()) {
		dropped_unnamed(skb, sk);
		return;
	}
	state = listener_state_of(sk);
	if (!store_queue(&e, sk)) {
		if (state) {
			count_merged(state, skb);
			count(state->failed);
		}
		return;
	}
	e.evidence = EVIDENCE_KFREE_SKB;
	e.stage = STAGE_ACK;
	store_action(&e, sk);
	count_ack(state, &e, skb);
	store_packet(&e, skb);
	emit_overflow(&e);
}

#endif
