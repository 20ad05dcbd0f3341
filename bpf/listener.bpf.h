/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets that enter and leave LISTEN, and who did it: the owners of passive handshakes. */
#ifndef TCPSHAKE_LISTENER_BPF_H
#define TCPSHAKE_LISTENER_BPF_H

#include "socket.bpf.h"

static __always_inline void store_listener(struct event_listener *e, struct sock *sk)
{
	struct inet_sock *inet = (struct inet_sock *)sk;
	struct in6_addr addr = {};

	e->header.kind = EVENT_LISTENER;
	e->header.len = sizeof(*e);
	e->header.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	e->mono_ns = bpf_ktime_get_ns();
	e->socket = (__u64)sk;
	e->cgroup_id = socket_cgroup_id(sk);
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET) {
		store_mapped(e->local_addr, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
	} else if (bpf_core_field_exists(sk->__sk_common.skc_v6_rcv_saddr)) {
		BPF_CORE_READ_INTO(&addr, sk, __sk_common.skc_v6_rcv_saddr);
		__builtin_memcpy(e->local_addr, &addr, sizeof(addr));
		e->v6only = BPF_CORE_READ_BITFIELD_PROBED(sk, __sk_common.skc_ipv6only);
	}
	e->local_port = bpf_ntohs(BPF_CORE_READ(inet, inet_sport));
	e->backlog = BPF_CORE_READ(sk, sk_max_ack_backlog);
}

#endif
