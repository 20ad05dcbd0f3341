/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SYNs and SYN-ACKs that go out again. tcp_retransmit_skb fires for data as well, so that the
 * state decides before anything is read.
 */
#ifndef TCPSHAKE_RETRANSMIT_BPF_H
#define TCPSHAKE_RETRANSMIT_BPF_H

#include "active.bpf.h"
#include "counters.h"
#include "maps.h"

static __always_inline void emit_retransmit(struct counters *c, struct event_retransmit *e)
{
	e->header.kind = EVENT_RETRANSMIT;
	e->header.len = sizeof(*e);
	deliver(c, e, sizeof(*e), EVENT_RETRANSMIT);
}

/*
 * From 6.17 it is called for what was not sent, too: after it was counted, or (-EBUSY: the SYN is still in a queue of
 * this host, as that which waits for a neighbour; -EHOSTUNREACH: there is no route any more) before. True if
 * the kernel counted it.
 */
static __always_inline bool syn_counted(struct attempt *a, struct tcp_sock *tp, int error)
{
	struct namespace_counts *n = namespace_counts(socket_netns(tp));
	bool counted;

	if (a) {
		attempt_decided(a, n);
		return attempt_count(a, tp, n, true) || !error;
	}
	counted = !error || (tp->total_retrans && error != -ERR_EBUSY && error != -ERR_EHOSTUNREACH);
	if (!n)
		return counted;
	if (counted)
		count(n->retransmits);
	count(n->timeouts);
	return counted;
}

/* Reported only if it was sent. */
static __always_inline void syn_retransmitted(struct sock *sk, int error)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct event_retransmit e = {};
	struct counters *c = this_cpu_counters();
	struct attempt *a;

	if (!tp || !c)
		return;
	e.header.netns = socket_netns(tp);
	a = attempt_find((__u64)sk, IN_SLOTS);
	if (syn_counted(a, tp, error))
		count(c->retransmits[SEGMENT_SYN]);
	if (error)
		return;
	count(c->events[EVENT_RETRANSMIT]);
	if (!within_limit(c, EVENT_RETRANSMIT, true))
		return;
	e.mono_ns = bpf_ktime_get_ns();
	e.start_ns = NS_UNKNOWN;
	if (a) {
		attempt_time(a, tp, e.mono_ns);
		e.start_ns = a->start_ns;
		e.cgroup_id = a->cgroup_id;
		e.pid = a->pid;
		e.uid = a->uid;
		__builtin_memcpy(e.comm, a->comm, sizeof(a->comm));
	}
	e.attempt = tp->total_retrans > 0xffff ? 0xffff : tp->total_retrans;
	e.segment = SEGMENT_SYN;
	store_addresses(sk, e.local_addr, e.remote_addr);
	e.local_port = bpf_ntohs(tp->inet_conn.icsk_inet.inet_sport);
	e.remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	e.client_isn = tp->snd_una - (__u32)tp->bytes_acked;
	emit_retransmit(c, &e);
}

/* reqsk_timer_handler(): with a SYN queue over half full of old requests, as few as two time-outs end one. */
static __always_inline bool retries_lowered(struct sock *sk, __u32 retries)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;
	__u32 len = BPF_CORE_READ(icsk, icsk_accept_queue.qlen.counter);
	__u32 most = BPF_CORE_READ(sk, sk_max_ack_backlog);

	return retries > 2 && 2 * len > (most > 8 ? most : 8) &&
	       len >= 2 * (__u32)BPF_CORE_READ(icsk, icsk_accept_queue.young.counter);
}

/* The counts of a request are read before the kernel counts this one. */
static __always_inline void synack_retransmitted(struct sock *sk, struct request_sock *req,
						 __u32 netns, __u64 now, __u64 start_ns)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;
	struct inet_request_sock *ireq = (struct inet_request_sock *)req;
	struct tcp_request_sock *treq = (struct tcp_request_sock *)req;
	struct event_retransmit e = { .mono_ns = now, .start_ns = start_ns };
	struct counters *c = this_cpu_counters();
	struct namespace_counts *n;

	e.header.netns = netns;
	n = namespace_counts(netns);
	if (n)
		count(n->synacks);
	if (!c)
		return;
	count(c->retransmits[SEGMENT_SYN_ACK]);
	count(c->events[EVENT_RETRANSMIT]);
	if (!within_limit(c, EVENT_RETRANSMIT, true))
		return;
	e.segment = SEGMENT_SYN_ACK;
	if (BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_LISTEN) /* else it is a child of Fast Open */
		e.listener = (__u64)sk;
	e.cgroup_id = socket_cgroup_id(sk);
	store_addresses((struct sock *)req, e.local_addr, e.remote_addr);
	e.local_port = req->__req_common.skc_num;
	e.remote_port = bpf_ntohs(req->__req_common.skc_dport);
	e.client_isn = BPF_CORE_READ(treq, rcv_isn);
	e.attempt = req->num_retrans + 1;
	e.timeouts = BPF_CORE_READ_BITFIELD_PROBED(req, num_timeout);
	e.acked = BPF_CORE_READ_BITFIELD_PROBED(ireq, acked);
	e.deferred = BPF_CORE_READ(icsk, icsk_accept_queue.rskq_defer_accept);
	e.retries = BPF_CORE_READ(icsk, icsk_syn_retries);
	if (!e.retries)
		e.retries = BPF_CORE_READ(sk, __sk_common.skc_net.net,
					  ipv4.sysctl_tcp_synack_retries);
	e.crowded = retries_lowered(sk, e.retries);
	emit_retransmit(c, &e);
}

#endif
