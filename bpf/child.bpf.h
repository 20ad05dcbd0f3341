/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Children on their way through SYN_RECV: of which listener they are, and which have left it. */
#ifndef TCPSHAKE_CHILD_BPF_H
#define TCPSHAKE_CHILD_BPF_H

#include "active.bpf.h"

#define CHILDREN_BITS 6

struct child {
	__u64 begun; /* the address of the one that entered SYN_RECV last */
	__u64 listener; /* its listener's */
	__u64 ended; /* the address of the one that left it last: takeover.bpf.h asks right behind */
	__be16 ended_port; /* … and its peer's port: a mark that stayed is seldom taken for a later child's at this address */
	__u16 pad[3];
};

/*
 * By a hash of their addresses: a softirq may come between two programs of a task. A child enters and leaves
 * SYN_RECV on one CPU, for the kernel does both with bottom halves disabled; but a child of Fast Open leaves later.
 */
struct children {
	struct child child[1 << CHILDREN_BITS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct children);
} children SEC(".maps") __weak;

static __always_inline struct child *child_slot(struct sock *sk)
{
	__u32 zero = 0;
	struct children *c = bpf_map_lookup_elem(&children, &zero);

	return c ? &c->child[address_hash((__u64)sk) >> (32 - CHILDREN_BITS)] : NULL;
}

/*
 * The listener that this child is a copy of. The kernel reports the child's SYN_RECV as soon as it has copied the
 * listener (inet_csk_clone_lock()), before it empties the lists of the copy (tcp_create_openreq_child()). A
 * listener's list of sent segments is empty: it points to itself, and so the copy points to it.
 */
static __always_inline __u64 copied_listener(struct sock *sk)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;

	return (__u64)BPF_CORE_READ(tp, tsorted_sent_queue.next) -
	       bpf_core_field_offset(struct tcp_sock, tsorted_sent_queue);
}

static __always_inline void child_begins(struct sock *sk)
{
	struct child *child = child_slot(sk);

	if (!child || sk->sk_protocol != IPPROTO_TCP)
		return;
	if (child->ended == (__u64)sk)
		child->ended = 0;
	child->begun = (__u64)sk;
	child->listener = copied_listener(sk);
}

/* The address of its listener; 0 if it is not known. What is made at this address later is another child. */
static __always_inline __u64 child_listener(struct sock *sk)
{
	struct child *child = child_slot(sk);

	if (!child || child->begun != (__u64)sk)
		return 0;
	child->begun = 0;
	return child->listener;
}

static __always_inline void child_ends(struct sock *sk)
{
	struct child *child = child_slot(sk);

	if (!child)
		return;
	child->ended = (__u64)sk;
	child->ended_port = sk->__sk_common.skc_dport;
}

static __always_inline bool child_ended(struct sock *sk, bool forget)
{
	struct child *child = child_slot(sk);

	if (!child || child->ended != (__u64)sk || child->ended_port != sk->__sk_common.skc_dport)
		return false;
	if (forget)
		child->ended = 0;
	return true;
}

#endif
