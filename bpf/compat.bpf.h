/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What differs between kernels, asked of BTF and never of the version. */
#ifndef TCPSHAKE_COMPAT_BPF_H
#define TCPSHAKE_COMPAT_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* 6.7 (614e8316aa4c "tcp: add support for usec resolution in TCP TS values"). */
static __always_inline bool uses_usec_timestamps(struct tcp_sock *tp)
{
	return bpf_core_field_exists(tp->tcp_usec_ts) && BPF_CORE_READ_BITFIELD(tp, tcp_usec_ts);
}

/* 6.15: tcp_check_req() names the drop of a final ACK for a full accept queue. */
static __always_inline bool has_overflow_reason(void)
{
	return bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_TCP_LISTEN_OVERFLOW);
}

/* CONFIG_CGROUPS; older kernels kept a tagged word instead (until 8520e224f547). */
static __always_inline __u64 socket_cgroup_id(struct sock *sk)
{
	if (!bpf_core_field_exists(sk->sk_cgrp_data.cgroup))
		return 0;
	return BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
}

#endif
