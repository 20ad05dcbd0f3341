/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel keeps of a connection in TIME_WAIT, and of one in FIN_WAIT2 that nobody holds: a stub, which takes the
 * socket's place in the table of connections before the socket goes to CLOSE. No tracepoint shows it.
 */
#ifndef TCPSHAKE_TIMEWAIT_BPF_H
#define TCPSHAKE_TIMEWAIT_BPF_H

#include "compat.bpf.h"
#include "event.h"

#include <bpf/bpf_endian.h>

#define STUBS_LOOKED_AT 8 /* it is the first of its bucket, unless others came since */

/* 5.10 counts them in another member. */
struct inet_timewait_death_row___count {
	atomic_t tw_count;
};

/* Where the table is; from 5.18 to 6.0 the struct lies behind a pointer. */
static __always_inline bool stubs_are_found(struct net *net)
{
	return bpf_core_field_exists(net->ipv4.tcp_death_row.hashinfo);
}

/* tcp_max_tw_buckets: there is no room for one more, as far as that is found. */
static __always_inline bool stubs_are_full(struct net *net)
{
	struct inet_timewait_death_row___count *old;
	struct inet_timewait_death_row *row;
	int most;

	if (!stubs_are_found(net))
		return false;
	row = &net->ipv4.tcp_death_row;
	old = (void *)row;
	most = BPF_CORE_READ(row, sysctl_max_tw_buckets);
	if (bpf_core_field_exists(row->tw_refcount))
		return BPF_CORE_READ(row, tw_refcount.refs.counter) - 1 >= most;
	return bpf_core_field_exists(old->tw_count) && BPF_CORE_READ(old, tw_count.counter) >= most;
}

/* Both are the socket's place in the table. */
static __always_inline bool is_stub_of(struct sock_common *stub, struct sock *sk, __be16 local_port)
{
	return BPF_CORE_READ(stub, skc_hash) == sk->__sk_common.skc_hash &&
	       BPF_CORE_READ(stub, skc_state) == TCP_TIME_WAIT &&
	       BPF_CORE_READ(stub, skc_dport) == sk->__sk_common.skc_dport &&
	       BPF_CORE_READ(stub, skc_num) == bpf_ntohs(local_port);
}

#define STUB_UNKNOWN (-1)

/* The state of a socket's stub: TIME_WAIT or FIN_WAIT2; 0: it has none; or STUB_UNKNOWN. */
static __noinline int stub_state(struct sock *sk)
{
	struct net *net = sk->__sk_common.skc_net.net;
	__be16 local_port = BPF_CORE_READ((struct inet_sock *)sk, inet_sport);
	struct inet_ehash_bucket *bucket;
	struct inet_hashinfo *table;
	struct hlist_nulls_node *node;
	__u32 at;

	if (!stubs_are_found(net))
		return STUB_UNKNOWN;
	table = BPF_CORE_READ(net, ipv4.tcp_death_row.hashinfo);
	at = sk->__sk_common.skc_hash & BPF_CORE_READ(table, ehash_mask);
	bucket = (void *)BPF_CORE_READ(table, ehash) + at * bpf_core_type_size(struct inet_ehash_bucket);
	node = BPF_CORE_READ(bucket, chain.first);
	for (int i = 0; i < STUBS_LOOKED_AT && !((__u64)node & 1); i++) {
		struct sock_common *stub = (void *)node - bpf_core_field_offset(struct sock_common, skc_nulls_node);

		if (is_stub_of(stub, sk, local_port))
			return BPF_CORE_READ((struct inet_timewait_sock *)stub, tw_substate);
		node = BPF_CORE_READ(node, next);
	}
	return (__u64)node & 1 ? 0 : STUB_UNKNOWN;
}

#endif
