/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The number of a network namespace, by which userspace knows it: its inode. In struct net it shares a
 * cache line with a count that every socket moves as it comes and goes, on any CPU. So it is
 * remembered by net_cookie, which no other namespace ever gets, and beside which nothing is written.
 */
#ifndef TCPSHAKE_NETNS_BPF_H
#define TCPSHAKE_NETNS_BPF_H

#include "compat.bpf.h"

#define NETNS_BITS 8

/* One word each, to be written at once: the cookie's low half, the number. */
volatile __u64 netns_numbers[1 << NETNS_BITS] __weak = {};

/* `probed`: of a pointer whose type the verifier does not know. */
static __always_inline __u32 netns_number(struct net *net, bool probed)
{
	__u64 cookie, word;
	__u32 at, number;

	/* 3d368ab87cf6 "net: initialize net->net_cookie at netns setup": before, it is no number. */
	if (!bpf_core_field_exists(net->net_cookie))
		return probed ? BPF_CORE_READ(net, ns.inum) : net->ns.inum;
	cookie = probed ? BPF_CORE_READ(net, net_cookie) : net->net_cookie;
	at = cookie * 0x9e3779b97f4a7c15ULL >> (64 - NETNS_BITS);
	word = netns_numbers[at];
	if (word && word >> 32 == (__u32)cookie)
		return (__u32)word;
	number = probed ? BPF_CORE_READ(net, ns.inum) : net->ns.inum;
	netns_numbers[at] = cookie << 32 | number;
	return number;
}

#endif
