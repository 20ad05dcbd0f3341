// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Packets that the kernel drops, with its reason. */
#include "overflow.bpf.h"
#include "reset_dropped.bpf.h"
#include "segment_dropped.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* With the receiving socket, from 6.11 (c53795d48ee8 "net: add rx_sk to trace_kfree_skb"). */
SEC("raw_tp/kfree_skb")
int skb_dropped(__u64 *ctx)
{
	overflow_dropped((struct sk_buff *)ctx[0], (__u32)ctx[2], (struct sock *)ctx[3]);
	request_dropped((struct sk_buff *)ctx[0], (__u32)ctx[2], (struct sock *)ctx[3]);
	segment_dropped((struct sk_buff *)ctx[0], (__u32)ctx[2], (struct sock *)ctx[3]);
	return 0;
}

/* With a reason only, from 5.17; attached where the one above is refused. */
SEC("raw_tp/kfree_skb")
int skb_dropped_reason(__u64 *ctx)
{
	no_socket_dropped((struct sk_buff *)ctx[0], (__u32)ctx[2]);
	segment_dropped((struct sk_buff *)ctx[0], (__u32)ctx[2], NULL);
	return 0;
}
