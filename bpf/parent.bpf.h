/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Of which listener a child is: several may share its port, by SO_REUSEPORT or with an address each. */
#ifndef TCPSHAKE_PARENT_BPF_H
#define TCPSHAKE_PARENT_BPF_H

#include "active.bpf.h"

#define PARENTS_BITS 6

struct parent {
	__u64 child; /* 0: nobody's */
	__u64 listener;
};

/*
 * By a hash of the children's addresses: a Fast Open child lives for a round trip until it is ESTABLISHED, others
 * for microseconds, on one CPU.
 */
struct parents {
	struct parent of[1 << PARENTS_BITS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct parents);
} parents SEC(".maps") __weak;

/*
 * inet_csk_clone_lock() copies the listener, and changes the copy's state first: at LISTEN -> SYN_RECV a child still has
 * the listener's place in the list of the port's sockets. Who stands there is the listener if its neighbours are those of
 * the copy: another CPU may have changed the list since. 0: it has.
 */
static __always_inline __u64 parent_find(struct sock *child)
{
	struct hlist_node *node = NULL, now = {};
	struct hlist_node *next = child->__sk_common.skc_bind_node.next;
	struct hlist_node **before = child->__sk_common.skc_bind_node.pprev;

	bpf_probe_read_kernel(&node, sizeof(node), before);
	if (!node || bpf_probe_read_kernel(&now, sizeof(now), node) || now.next != next || now.pprev != before)
		return 0;
	return (__u64)node - bpf_core_field_offset(struct sock, __sk_common.skc_bind_node);
}

static __always_inline struct parent *parent_slot(__u64 child)
{
	__u32 zero = 0;
	struct parents *p = bpf_map_lookup_elem(&parents, &zero);

	return p ? &p->of[address_hash(child) >> (32 - PARENTS_BITS)] : NULL;
}

/* A listener has just been copied for a child. */
static __always_inline void parent_keep(struct sock *child)
{
	struct parent *p = parent_slot((__u64)child);

	if (!p)
		return;
	p->child = (__u64)child;
	p->listener = parent_find(child);
}

/* The listener of a child, whose entry is free from here on; 0: not known. */
static __always_inline __u64 parent_take(__u64 child)
{
	struct parent *p = parent_slot(child);

	if (!p || p->child != child)
		return 0;
	p->child = 0;
	return p->listener;
}

#endif
