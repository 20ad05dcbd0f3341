/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a socket tells: its addresses, its namespace, the segment that was answered. */
#ifndef TCPSHAKE_SOCKET_BPF_H
#define TCPSHAKE_SOCKET_BPF_H

#include "compat.bpf.h"
#include "event.h"

#include <bpf/bpf_endian.h>

static __always_inline void store_mapped(__u8 *addr, __be32 ipv4)
{
	__u32 *word = (__u32 *)addr;

	word[0] = 0;
	word[1] = 0;
	word[2] = bpf_htonl(0xffff);
	word[3] = ipv4;
}

static __always_inline void store_ipv6(__u8 *addr, const struct in6_addr *ipv6)
{
	__u32 *word = (__u32 *)addr;

	word[0] = ipv6->in6_u.u6_addr32[0];
	word[1] = ipv6->in6_u.u6_addr32[1];
	word[2] = ipv6->in6_u.u6_addr32[2];
	word[3] = ipv6->in6_u.u6_addr32[3];
}

/* Both addresses of a socket whose type the verifier knows. */
static __always_inline void store_addresses(const struct sock *sk, __u8 *local, __u8 *remote)
{
	if (sk->__sk_common.skc_family == AF_INET) {
		store_mapped(local, sk->__sk_common.skc_rcv_saddr);
		store_mapped(remote, sk->__sk_common.skc_daddr);
	} else if (bpf_core_field_exists(sk->__sk_common.skc_v6_daddr)) {
		store_ipv6(local, &sk->__sk_common.skc_v6_rcv_saddr);
		store_ipv6(remote, &sk->__sk_common.skc_v6_daddr);
	}
}

static __always_inline __u32 socket_netns(const struct sock *sk)
{
	return sk->__sk_common.skc_net.net->ns.inum;
}

/*
 * How long after `start_ns` the segment was sent that the peer's answer echoes in its timestamp
 * option (RFC 7323): the only proof of which of several transmissions was answered. The kernel
 * has taken tsoffset off rcv_tsecr already. NS_UNKNOWN without timestamps.
 */
static __always_inline __u64 answered_after(struct tcp_sock *tp, __u64 start_ns)
{
	__u64 unit = uses_usec_timestamps(tp) ? 1000 : 1000000;
	__s32 ticks;

	if (!BPF_CORE_READ_BITFIELD(tp, rx_opt.saw_tstamp) || !tp->rx_opt.rcv_tsecr)
		return NS_UNKNOWN;
	ticks = (__s32)(tp->rx_opt.rcv_tsecr - (__u32)(start_ns / unit));
	return ticks > 0 ? ticks * unit : 0;
}

/*
 * Split the latency of a retransmitted handshake: what was spent waiting for timers, up to the
 * transmission that was answered, and the round trip from there. Times of the first and last
 * transmission are exact; one between them is known to the tick of the timestamp clock.
 */
static __always_inline void split_latency(struct event_handshake *e, struct tcp_sock *tp,
					  __u64 start_ns, __u64 last_ns)
{
	const __u64 slack = 20 * 1000000; /* timestamps tick in ms; timers wait 200 ms and more */
	__u64 wait = answered_after(tp, start_ns);

	if (wait == NS_UNKNOWN)
		return;
	if (start_ns + wait + slack >= last_ns)
		wait = last_ns - start_ns;
	else if (wait < slack)
		wait = 0;
	e->retransmit_wait_ns = wait;
	if (e->latency_ns >= wait)
		e->rtt_ns = e->latency_ns - wait;
}

#endif
