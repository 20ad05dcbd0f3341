/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a socket shows: its addresses, its namespace, the segment that was answered. */
#ifndef TCPSHAKE_SOCKET_BPF_H
#define TCPSHAKE_SOCKET_BPF_H

#include "compat.bpf.h"
#include "event.h"
#include "netns.bpf.h"

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

/* The same of any socket. */
static __always_inline void store_probed_addresses(struct sock *sk, __u8 *local, __u8 *remote)
{
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET) {
		store_mapped(local, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
		store_mapped(remote, BPF_CORE_READ(sk, __sk_common.skc_daddr));
	} else if (bpf_core_field_exists(sk->__sk_common.skc_v6_daddr)) {
		bpf_core_read(local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_core_read(remote, 16, &sk->__sk_common.skc_v6_daddr);
	}
}

/* Of an MPTCP connection or listener. */
static __always_inline bool is_subflow(struct sock *sk)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;

	return bpf_core_field_exists(tp->is_mptcp) && BPF_CORE_READ(tp, is_mptcp);
}

/* The socket that an application holds: of a subflow, its MPTCP socket. */
static __always_inline struct sock *held_socket(struct sock *sk)
{
	struct mptcp_subflow_context *subflow = NULL;

	if (!is_subflow(sk) || !bpf_core_field_exists(subflow->conn))
		return sk;
	subflow = BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_ulp_data);
	return subflow ? BPF_CORE_READ(subflow, conn) : sk;
}

/* The TCP socket that listens for the one that an application holds. */
static __always_inline struct sock *listening_socket(struct sock *held)
{
	struct mptcp_sock *msk = (struct mptcp_sock *)held;

	if (BPF_CORE_READ(held, sk_protocol) != IPPROTO_MPTCP || !bpf_core_field_exists(msk->first))
		return held;
	return BPF_CORE_READ(msk, first);
}

/*
 * Of a socket from tcp_socket(): taken from what a tracepoint hands over, each pointer makes the
 * verifier search the kernel's types for names made of its type's, which takes it milliseconds
 * (57539b1c0ac2 "bpf: Enable annotating trusted nested pointers").
 */
static __always_inline __u32 socket_netns(struct tcp_sock *tp)
{
	return netns_number(tp->inet_conn.icsk_inet.sk.__sk_common.skc_net.net, false);
}

/*
 * When a handshake ended. Into ESTABLISHED it is the segment that comes that leads, and the kernel has
 * read CLOCK_MONOTONIC as it began with it (tcp_mstamp_refresh() in tcp_rcv_state_process()).
 */
static __always_inline __u64 end_time(struct tcp_sock *tp, int newstate)
{
	return newstate == TCP_ESTABLISHED ? tp->tcp_clock_cache : bpf_ktime_get_ns();
}

/*
 * Did the peer answer the segment sent at `sent_ns`, the last of several transmissions? Only its
 * echo of that segment's timestamp (RFC 7323) proves it. The echo of an earlier one proves
 * nothing: a peer answers a duplicate with the timestamp of the segment that advanced its window.
 * The kernel has taken tsoffset off rcv_tsecr already.
 */
static __always_inline bool answers_last(struct tcp_sock *tp, __u64 sent_ns)
{
	__u64 unit = uses_usec_timestamps(tp) ? 1000 : 1000000;
	__u64 slack = 2000000; /* a tick of the timestamp clock, and `sent_ns` is taken a bit later */

	if (!BPF_CORE_READ_BITFIELD(tp, rx_opt.saw_tstamp) || !tp->rx_opt.rcv_tsecr)
		return false;
	return (__s32)(tp->rx_opt.rcv_tsecr - (__u32)((sent_ns - slack) / unit)) >= 0;
}

/*
 * Split the latency of a retransmitted handshake, if it can be proven: what was spent waiting for
 * timers, until the last transmission, and the round trip from there.
 */
static __always_inline void split_latency(struct event_handshake *e, struct tcp_sock *tp,
					  __u64 start_ns, __u64 last_ns)
{
	if (last_ns < start_ns || last_ns > e->end_ns || !answers_last(tp, last_ns))
		return;
	e->retransmit_wait_ns = last_ns - start_ns;
	e->rtt_ns = e->end_ns - last_ns;
}

#endif
