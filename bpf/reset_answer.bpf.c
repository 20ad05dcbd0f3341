// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * RSTs that this host sends where there is no full socket, by tcp_v4_send_reset() and its IPv6
 * sister: up to 6.9 tcp_send_reset fires there for a full socket only. Not every packet that is
 * handed to them is answered: OutRsts says which. What has no full socket comes in a softirq,
 * where none of them interrupts another.
 */
#include "reset_sent.bpf.h"
#include "tally.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum { RESETS };

static __always_inline bool fires_no_tracepoint(struct sock *sk)
{
	unsigned char state;

	if (!sk)
		return true;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	return state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV;
}

/* Numbers, for the verifier takes a function's arguments for pointers that are never NULL. */
static __always_inline int answer_begins(__u64 *ctx)
{
	struct sock *sk = (struct sock *)number_of((void *)ctx[0]);
	struct sk_buff *skb = (struct sk_buff *)number_of((void *)ctx[1]);
	struct tally *t;
	struct net *net;

	if (!fires_no_tracepoint(sk))
		return 0;
	net = sk ? BPF_CORE_READ(sk, __sk_common.skc_net.net) : packet_net(skb);
	t = tally_begin(skb, BPF_CORE_READ(net, mib.tcp_statistics));
	if (t)
		t->before[RESETS] = tally_read(t, mib_out_rsts);
	return 0;
}

static __always_inline int answer_ends(__u64 *ctx)
{
	struct sock *sk = (struct sock *)number_of((void *)ctx[0]);
	struct sk_buff *skb = (struct sk_buff *)number_of((void *)ctx[1]);
	struct tally *t;

	if (!fires_no_tracepoint(sk))
		return 0;
	t = tally_of(skb);
	if (t && tally_moved(t, RESETS, mib_out_rsts))
		reset_sent(sk, skb, NO_REASON);
	if (t)
		t->packet = 0;
	return 0;
}

SEC("fentry/tcp_v4_send_reset")
int reset4_begins(__u64 *ctx)
{
	return answer_begins(ctx);
}

SEC("fexit/tcp_v4_send_reset")
int reset4_ends(__u64 *ctx)
{
	return answer_ends(ctx);
}

SEC("fentry/tcp_v6_send_reset")
int reset6_begins(__u64 *ctx)
{
	return answer_begins(ctx);
}

SEC("fexit/tcp_v6_send_reset")
int reset6_ends(__u64 *ctx)
{
	return answer_ends(ctx);
}
