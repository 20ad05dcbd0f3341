/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Segments of handshakes that this host throws away itself, for a reason of common/drop_reason.h.
 * kfree_skb fires for every packet that is dropped: the reason decides first, which is one load, then the
 * protocol, then the flags. A bare ACK counts if a socket shows that it is the last of a handshake.
 */
#ifndef TCPSHAKE_SEGMENT_DROPPED_BPF_H
#define TCPSHAKE_SEGMENT_DROPPED_BPF_H

#include "active.bpf.h"
#include "counters.h"
#include "packet.bpf.h"

/* The headers of a dropped packet, as far as they are needed. */
struct segment {
	union {
		__u8 ip[40];
		struct {
			__u8 before[12];
			__u32 source, destination;
		} ipv4;
	};
	__u8 tcp[16]; /* up to its window */
	__u8 payload; /* it carries data */
};

static __always_inline __u32 word_at(const __u8 *bytes)
{
	return (__u32)bytes[0] << 24 | (__u32)bytes[1] << 16 | (__u32)bytes[2] << 8 | bytes[3];
}

static __always_inline __u16 half_at(const __u8 *bytes)
{
	return (__u16)(bytes[0] << 8 | bytes[1]);
}

/*
 * Where the IP header is: the network layer marks it, which a packet that waits for its CPU
 * has not come to. The TCP header is behind it: what marks that one is set later still.
 */
static __always_inline unsigned char *ip_header(struct sk_buff *skb, bool waits)
{
	if (waits)
		return BPF_CORE_READ(skb, data);
	return BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, network_header);
}

/* False if it is not TCP, or not its first fragment. Extension headers of IPv6 hide it. */
static __always_inline bool segment_read(struct segment *s, const unsigned char *ip)
{
	__u32 ip_len = 40, total;

	if (bpf_probe_read_kernel(s->ip, 20, ip))
		return false;
	if (s->ip[0] >> 4 == 4) {
		ip_len = (s->ip[0] & 15) * 4;
		total = half_at(s->ip + 2);
		if (s->ip[9] != IPPROTO_TCP || half_at(s->ip + 6) & 0x1fff)
			return false;
	} else {
		if (s->ip[0] >> 4 != 6 || s->ip[6] != IPPROTO_TCP ||
		    bpf_probe_read_kernel(s->ip, 40, ip))
			return false;
		total = 40 + half_at(s->ip + 4);
	}
	if (bpf_probe_read_kernel(s->tcp, sizeof(s->tcp), ip + ip_len))
		return false;
	s->payload = total > ip_len + (s->tcp[12] >> 4) * 4;
	return true;
}

/* A request's listener, or the socket itself; of what is neither, as a TIME_WAIT, none. */
static __always_inline struct sock *full_of(struct sock *sk, unsigned char state)
{
	if (!sk || state == TCP_TIME_WAIT)
		return NULL;
	return state == TCP_NEW_SYN_RECV ? BPF_CORE_READ(sk, __sk_common.skc_listener) : sk;
}

/*
 * Is it the last segment of a handshake? It comes for a request, or is the client's, who has sent no data and
 * got none: until then its only byte that is acknowledged is the SYN.
 */
static __always_inline bool is_final_ack(const struct segment *s, struct sock *sk,
					 unsigned char state, __u8 direction)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;

	if (!(s->tcp[13] & FLAG_ACK) || s->tcp[13] & FLAG_RST || !sk)
		return false;
	if (direction == DROP_IN)
		return state == TCP_NEW_SYN_RECV;
	return state == TCP_ESTABLISHED && !s->payload && BPF_CORE_READ(tp, bytes_acked) == 1 &&
	       !BPF_CORE_READ(tp, bytes_received) && !BPF_CORE_READ(tp, data_segs_out);
}

/* The sequence number of its SYN: of a socket's if there is one, since Fast Open adds data. */
static __always_inline __u32 segment_isn(const struct segment *s, __u8 kind, struct sock *sk,
					 unsigned char state)
{
	if (kind == DROP_SYN)
		return word_at(s->tcp + 4);
	if (sk && state == TCP_NEW_SYN_RECV)
		return BPF_CORE_READ((struct tcp_request_sock *)sk, rcv_isn);
	if (kind == DROP_ACK)
		return word_at(s->tcp + 4) - 1;
	if (sk && state == TCP_SYN_SENT)
		return BPF_CORE_READ((struct tcp_sock *)sk, snd_una);
	return word_at(s->tcp + 8) - 1;
}

static __always_inline void store_ends(struct event_drop *e, const struct segment *s)
{
	bool out = e->direction == DROP_OUT;
	__u8 *source = out ? e->local_addr : e->remote_addr;
	__u8 *destination = out ? e->remote_addr : e->local_addr;
	__u16 ports[2] = { half_at(s->tcp), half_at(s->tcp + 2) };

	if (s->ip[0] >> 4 == 4) {
		store_mapped(source, s->ipv4.source);
		store_mapped(destination, s->ipv4.destination);
	} else {
		__builtin_memcpy(source, s->ip + 8, 16);
		__builtin_memcpy(destination, s->ip + 24, 16);
	}
	e->local_port = ports[!out];
	e->remote_port = ports[out];
}

/* Of the socket, else of the route, else of the device that it came by or was to leave by. */
static __always_inline __u32 dropped_netns(struct sk_buff *skb, struct sock *sk)
{
	__u32 netns = sk ? BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum) : packet_netns(skb);

	return netns ? netns : BPF_CORE_READ(skb, dev, nd_net.net, ns.inum);
}

static __always_inline void store_socket(struct event_drop *e, struct sock *sk, unsigned char state)
{
	struct sock *full = full_of(sk, state);
	struct attempt *a = state == TCP_SYN_SENT ? attempt_find((__u64)sk, IN_SLOTS) : NULL;

	if (full)
		e->cgroup_id = socket_cgroup_id(full);
	if (state == TCP_NEW_SYN_RECV || state == TCP_LISTEN)
		e->listener = (__u64)full;
	if (!a)
		return;
	e->cgroup_id = a->cgroup_id;
	e->pid = a->pid;
	e->uid = a->uid;
	__builtin_memcpy(e->comm, a->comm, sizeof(a->comm));
}

static __always_inline void count_drop(const struct event_drop *e)
{
	__u32 reason = e->reason;
	struct drop_counts *n = bpf_map_lookup_elem(&drops, &reason);

	if (n && e->segment < DROP_SEGMENTS)
		count(n->segments[e->segment][e->direction == DROP_OUT]);
}

/* Half of them may be SYNs that come, which others can send any number of. */
static __always_inline __u32 most_drops(const struct event_drop *e)
{
	__u32 most = filter.most[EVENT_DROP];

	return e->segment == DROP_SYN && e->direction == DROP_IN ? most - most / 2 : most;
}

/* With a frame of its own. `rx`: the socket that received it, if the kernel hands it over. */
static __noinline int report_dropped(struct sk_buff *skb, __u32 reason, __u32 waits, struct sock *rx)
{
	struct event_drop e = { .reason = reason };
	struct counters *c = this_cpu_counters();
	unsigned char state = 0;
	struct segment s = {};
	struct sock *sk;
	__u8 flags;

	if (!c || !segment_read(&s, ip_header(skb, waits)))
		return 0;
	flags = s.tcp[13] & (FLAG_SYN | FLAG_RST | FLAG_ACK);
	if (flags != FLAG_SYN && !(flags & FLAG_ACK))
		return 0;
	sk = rx ? rx : BPF_CORE_READ(skb, sk);
	if (sk)
		state = BPF_CORE_READ(sk, __sk_common.skc_state);
	/* Its last device is forgotten when it leaves for another namespace. */
	e.direction = waits || BPF_CORE_READ(skb, skb_iif) ? DROP_IN : DROP_OUT;
	if (flags == (FLAG_SYN | FLAG_ACK))
		e.segment = DROP_SYN_ACK;
	else if (flags != FLAG_SYN && is_final_ack(&s, sk, state, e.direction))
		e.segment = DROP_ACK;
	else if (flags != FLAG_SYN)
		return 0;
	count(c->events[EVENT_DROP]);
	count_drop(&e);
	if (!within(c, EVENT_DROP, most_drops(&e), true))
		return 0;
	e.header.kind = EVENT_DROP;
	e.header.len = sizeof(e);
	e.header.netns = dropped_netns(skb, sk);
	e.mono_ns = bpf_ktime_get_ns();
	store_ends(&e, &s);
	e.client_isn = segment_isn(&s, e.segment, sk, state);
	if (sk)
		store_socket(&e, sk, state);
	deliver(c, &e, sizeof(e), EVENT_DROP);
	return 0;
}

/* Called for every packet that the host drops. */
static __always_inline void segment_dropped(struct sk_buff *skb, __u32 reason, struct sock *rx)
{
	__u32 ours, index = reason;
	bool waits = false;

	if (reason >= KERNEL_REASONS_MAX)
		return;
	asm volatile("" : "+r"(index)); /* the compiler forgets what it knows, and the verifier sees the limit */
	ours = drop_reasons[index & (KERNEL_REASONS_MAX - 1)];
	if (!ours)
		return;
	if (bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_CPU_BACKLOG))
		waits = reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_CPU_BACKLOG);
	report_dropped(skb, ours, waits, rx);
}

#endif
