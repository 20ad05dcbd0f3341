// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* SYNs that a listener refuses, which fire no tracepoint, by the function that refuses them. */
#include "overflow.bpf.h"
#include "tally.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum { OVERFLOWS, DROPS, REQQ_DROPS, NO_ROUTES };

/*
 * tcp_conn_request(): without syncookies, the last quarter of tcp_max_syn_backlog is kept for peers
 * that are known. What else drops a SYN and counts nothing but ListenDrops is no full queue: no
 * memory, a security module. Those come to the same end, so the rule is never proven.
 */
static __always_inline bool quarter_is_kept(struct sock *sk)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;
	struct net *net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	int most = BPF_CORE_READ(net, ipv4.sysctl_max_syn_backlog);
	int len = BPF_CORE_READ(icsk, icsk_accept_queue.qlen.counter);

	return !BPF_CORE_READ(net, ipv4.sysctl_tcp_syncookies) && most - len < most >> 2;
}

/* Which rule of which queue refused it, or that its answer has no route; CODES: none of these. */
static __always_inline __u8 rule_of(struct sock *sk, const struct tally *t)
{
	if (tally_moved(t, OVERFLOWS, mib_listen_overflows))
		return CODE_ACCEPT_QUEUE_FULL;
	if (tally_moved(t, REQQ_DROPS, mib_reqq_full_drop))
		return CODE_SYN_QUEUE_FULL;
	if (tally_no_routes(t) != t->before[NO_ROUTES])
		return CODE_NO_ROUTE_BACK;
	return quarter_is_kept(sk) ? CODE_SYN_QUEUE_THREE_QUARTERS : CODES;
}

/*
 * The route back is looked up for the family of the request, which need not be the listener's.
 * inet_csk_route_req() and ip6_dst_lookup_tail() count what has none.
 */
static __always_inline __u64 routing_of(struct request_sock_ops *ops, struct net *net)
{
	if (ops->family == AF_INET)
		return (__u64)BPF_CORE_READ(net, mib.ip_statistics);
	return bpf_core_field_exists(net->mib.ipv6_statistics) ? (__u64)BPF_CORE_READ(net, mib.ipv6_statistics) : 0;
}

SEC("fentry/tcp_conn_request")
int conn_request_begins(__u64 *ctx)
{
	struct net *net = BPF_CORE_READ((struct sock *)ctx[2], __sk_common.skc_net.net);
	struct tally *t = tally_begin((struct sk_buff *)ctx[3], BPF_CORE_READ(net, mib.net_statistics));

	if (!t)
		return 0;
	t->routing = routing_of((struct request_sock_ops *)ctx[0], net) + t->offset;
	t->before[NO_ROUTES] = tally_no_routes(t);
	t->before[OVERFLOWS] = tally_read(t, mib_listen_overflows);
	t->before[DROPS] = tally_read(t, mib_listen_drops);
	t->before[REQQ_DROPS] = tally_read(t, mib_reqq_full_drop);
	return 0;
}

static __always_inline int syn_ends(struct sock *sk, struct sk_buff *skb)
{
	struct tally *t = tally_of(skb);
	struct event_overflow e = {};
	struct listener_state *state;

	if (!t || !tally_moved(t, DROPS, mib_listen_drops))
		return 0;
	state = listener_state_of(sk);
	e.code = rule_of(sk, t);
	if (e.code == CODES) {
		if (state)
			count(state->syn_failed);
		return 0;
	}
	if (state)
		count(state->syn_drops[e.code]);
	store_queue(&e, sk);
	e.stage = STAGE_SYN;
	e.evidence = EVIDENCE_CONN_REQUEST;
	e.proven = e.code != CODE_SYN_QUEUE_THREE_QUARTERS;
	store_packet(&e, skb);
	emit_overflow(&e);
	return 0;
}

SEC("fexit/tcp_conn_request")
int conn_request_ends(__u64 *ctx)
{
	return syn_ends((struct sock *)ctx[2], (struct sk_buff *)ctx[3]);
}
