/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which socket was closed in FIN_WAIT, on this CPU. */
#ifndef TCPSHAKE_FIN_WAIT_BPF_H
#define TCPSHAKE_FIN_WAIT_BPF_H

#include "compat.bpf.h"

/*
 * A socket that is aborted is in CLOSE already as its RST leaves. That of a connection whose FIN was
 * sent came there from FIN_WAIT on the same CPU right before. The RST is reported once it is sent, and over
 * loopback received: its peer's socket may have closed in between. Another's may have had its address.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64); /* the last socket's address */
} closed_in_fin_wait SEC(".maps") __weak;

static __always_inline void fin_wait_closed(struct sock *sk, int oldstate)
{
	__u32 zero = 0;
	__u64 *last = bpf_map_lookup_elem(&closed_in_fin_wait, &zero);

	if (!last)
		return;
	if (oldstate == TCP_FIN_WAIT1 || oldstate == TCP_FIN_WAIT2)
		*last = (__u64)sk;
	else if (*last == (__u64)sk)
		*last = 0;
}

/* SOCK_DONE: the peer's FIN had come. */
static __always_inline bool was_closing(struct sock *sk)
{
	__u32 zero = 0;
	__u64 *last = bpf_map_lookup_elem(&closed_in_fin_wait, &zero);

	return (last && *last == (__u64)sk) ||
	       BPF_CORE_READ(sk, __sk_common.skc_flags) &
		       (1UL << bpf_core_enum_value(enum sock_flags, SOCK_DONE));
}

#endif
