/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a received packet shows: its ends, its sequence number, its flags, its namespace. */
#ifndef TCPSHAKE_PACKET_BPF_H
#define TCPSHAKE_PACKET_BPF_H

#include "socket.bpf.h"

/* Byte 13 of the TCP header (RFC 9293 3.1). */
enum {
	FLAG_FIN = 0x01,
	FLAG_SYN = 0x02,
	FLAG_RST = 0x04,
	FLAG_ACK = 0x10,
};

struct packet {
	__u8 local_addr[16]; /* its destination */
	__u8 remote_addr[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 seq;
	__u8 flags;
	__u8 protocol; /* of the IP header; an extension header of IPv6 hides TCP's */
};

static __always_inline void packet_read(struct packet *p, struct sk_buff *skb)
{
	unsigned char *head = BPF_CORE_READ(skb, head);
	unsigned char *ip = head + BPF_CORE_READ(skb, network_header);
	unsigned char *tcp = head + BPF_CORE_READ(skb, transport_header);
	__be16 ports[2] = {}; /* source, destination */
	__u32 addrs[2] = {};
	__u8 version = 0;
	__be32 seq = 0;

	bpf_probe_read_kernel(&version, sizeof(version), ip);
	if (version >> 4 == 4) {
		bpf_probe_read_kernel(&p->protocol, sizeof(p->protocol), ip + 9);
		bpf_probe_read_kernel(addrs, sizeof(addrs), ip + 12);
		store_mapped(p->remote_addr, addrs[0]);
		store_mapped(p->local_addr, addrs[1]);
	} else {
		bpf_probe_read_kernel(&p->protocol, sizeof(p->protocol), ip + 6);
		bpf_probe_read_kernel(p->remote_addr, sizeof(p->remote_addr), ip + 8);
		bpf_probe_read_kernel(p->local_addr, sizeof(p->local_addr), ip + 24);
	}
	bpf_probe_read_kernel(ports, sizeof(ports), tcp);
	bpf_probe_read_kernel(&seq, sizeof(seq), tcp + 4);
	bpf_probe_read_kernel(&p->flags, sizeof(p->flags), tcp + 13);
	p->remote_port = bpf_ntohs(ports[0]);
	p->local_port = bpf_ntohs(ports[1]);
	p->seq = bpf_ntohl(seq);
}

/* The namespace that routed it; skb->_skb_refdst has its flag in bit 0. */
static __always_inline struct net *packet_net(struct sk_buff *skb)
{
	struct dst_entry *dst = (struct dst_entry *)(BPF_CORE_READ(skb, _skb_refdst) & ~1UL);

	return BPF_CORE_READ(dst, dev, nd_net.net);
}

static __always_inline __u32 packet_netns(struct sk_buff *skb)
{
	struct net *net = packet_net(skb);

	return BPF_CORE_READ(net, ns.inum);
}

#endif
