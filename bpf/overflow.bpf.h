/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Final ACKs that a full accept queue refused. (A refused SYN fires no tracepoint: the daemon
 * finds those in the listeners' drop counts.)
 *
 * The kernel accepts while len <= max, so a queue is full at max + 1. A child that could not be
 * made for another reason takes the same path: only a full queue makes it an overflow. Another
 * CPU's accept() may have made room since; at len == max that is what probably happened.
 */
#ifndef TCPSHAKE_OVERFLOW_BPF_H
#define TCPSHAKE_OVERFLOW_BPF_H

#include "listener.bpf.h"

/* Fill in what the listener tells. False if its queue shows no overflow. */
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

static __always_inline void emit_overflow(struct event_overflow *e)
{
	struct counters *c = this_cpu_counters();

	if (!c)
		return;
	count(c->events[EVENT_OVERFLOW]);
	deliver(c, e, sizeof(*e), EVENT_OVERFLOW);
}

/* Where the kernel names no reason for the drop, the SYN-ACK that goes out again tells of it. */
static __always_inline void overflow_retransmitted(struct sock *sk, struct request_sock *req)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;
	struct inet_request_sock *ireq = (struct inet_request_sock *)req;
	struct event_overflow e = {};

	if (has_overflow_reason() || !BPF_CORE_READ_BITFIELD_PROBED(ireq, acked) ||
	    BPF_CORE_READ(icsk, icsk_accept_queue.rskq_defer_accept))
		return;
	store_queue(&e, sk);
	e.evidence = EVIDENCE_SYNACK_RETRANSMIT;
	store_addresses((struct sock *)req, e.local_addr, e.remote_addr);
	e.remote_port = bpf_ntohs(req->__req_common.skc_dport);
	emit_overflow(&e);
}

static __always_inline void store_packet(struct event_overflow *e, struct sk_buff *skb)
{
	unsigned char *head = BPF_CORE_READ(skb, head);
	unsigned char *ip = head + BPF_CORE_READ(skb, network_header);
	unsigned char *tcp = head + BPF_CORE_READ(skb, transport_header);
	__u32 addrs[2] = {};
	__u8 version = 0;
	__be16 port = 0;

	bpf_probe_read_kernel(&version, sizeof(version), ip);
	if (version >> 4 == 4) {
		bpf_probe_read_kernel(addrs, sizeof(addrs), ip + 12); /* source, destination */
		store_mapped(e->remote_addr, addrs[0]);
		store_mapped(e->local_addr, addrs[1]);
	} else {
		bpf_probe_read_kernel(e->remote_addr, sizeof(e->remote_addr), ip + 8);
		bpf_probe_read_kernel(e->local_addr, sizeof(e->local_addr), ip + 24);
	}
	bpf_probe_read_kernel(&port, sizeof(port), tcp);
	e->remote_port = bpf_ntohs(port);
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
	struct listener_key key = { (__u64)sk };
	unsigned char listening = 0;

	if (!sk)
		return;
	if (reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NO_SOCKET))
		e.from_cookie = 1;
	else if (!has_overflow_reason() ||
		 reason != bpf_core_enum_value(enum skb_drop_reason,
					       SKB_DROP_REASON_TCP_LISTEN_OVERFLOW))
		return;
	bpf_core_read(&listening, sizeof(listening), &sk->__sk_common.skc_state);
	if (listening != TCP_LISTEN)
		return;
	state = bpf_map_lookup_elem(&listeners, &key);
	if (!store_queue(&e, sk)) {
		if (state)
			count(state->failed);
		return;
	}
	if (state && e.from_cookie)
		count(state->cookie_drops);
	else if (state)
		count(state->ack_drops);
	e.evidence = EVIDENCE_KFREE_SKB;
	if (!e.from_cookie && BPF_CORE_READ(sk, __sk_common.skc_net.net,
					    ipv4.sysctl_tcp_abort_on_overflow))
		e.action = ACTION_RESET;
	store_packet(&e, skb);
	emit_overflow(&e);
}

#endif
