/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When connections that accept() has not taken yet became ESTABLISHED; kept only when asked for. */
#ifndef TCPSHAKE_WAITING_BPF_H
#define TCPSHAKE_WAITING_BPF_H

#include "compat.bpf.h"
#include "event.h"
#include "maps.h"
#include "settings.bpf.h"

/* LRU: what a child that was reset left behind, since its listener closed before it was taken. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64); /* the child's address */
	__type(value, struct waiter);
} waiting SEC(".maps") __weak;

const volatile __u8 accepts_watched __weak = 0;

/* A child of Fast Open may have been accepted already. */
static __always_inline void waiting_begin(struct sock *sk, __u64 now, __u64 queue)
{
	struct waiter waiter = { now, queue };
	__u64 socket = (__u64)sk;

	if (accepts_watched && !sk->sk_socket && accept_by() != CALL_UNSEEN)
		bpf_map_update_elem(&waiting, &socket, &waiter, BPF_ANY);
}

/*
 * A socket is closed: nobody will accept it, or somebody did whom the evidence does not show (the
 * system calls' exits do not show io_uring). But a child that was reset stays in the queue.
 */
static __always_inline void waiting_end(struct sock *sk)
{
	__u64 socket = (__u64)sk;

	if (!accepts_watched || !bpf_map_lookup_elem(&waiting, &socket))
		return;
	if (BPF_CORE_READ(sk, sk_socket) || !sk->sk_err ||
	    sk->__sk_common.skc_flags & (1UL << SOCK_DEAD))
		bpf_map_delete_elem(&waiting, &socket);
}

#endif
