/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which children have left SYN_RECV on this CPU: takeover.bpf.h asks right behind. */
#ifndef TCPSHAKE_CHILD_BPF_H
#define TCPSHAKE_CHILD_BPF_H

#include "active.bpf.h"

#define CHILDREN_BITS 6

/*
 * By a hash of their addresses: a softirq may end another handshake between the two programs of a task.
 * They run on one CPU, for what ends such a handshake runs with bottom halves disabled.
 */
struct children {
	__u64 socket[1 << CHILDREN_BITS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct children);
} children SEC(".maps") __weak;

static __always_inline __u64 *child_mark(struct sock *sk)
{
	__u32 zero = 0;
	struct children *c = bpf_map_lookup_elem(&children, &zero);

	return c ? &c->socket[address_hash((__u64)sk) >> (32 - CHILDREN_BITS)] : NULL;
}

static __always_inline void child_ends(struct sock *sk)
{
	__u64 *mark = child_mark(sk);

	if (mark)
		*mark = (__u64)sk;
}

static __always_inline bool child_ended(struct sock *sk, bool forget)
{
	__u64 *mark = child_mark(sk);

	if (!mark || *mark != (__u64)sk)
		return false;
	if (forget)
		*mark = 0;
	return true;
}

#endif
