// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Another agent on the same host: classic tracepoint programs on a segment's way and on changes of state, each busy for
 * a microsecond or more. All classic programs of a host share one guard a CPU: while one runs, no other does.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define READINGS 32 /* of the clock, some 35 ns each */

static __always_inline int work(void)
{
	__u64 last = 0;

	for (int i = 0; i < READINGS; i++)
		last = bpf_ktime_get_ns();
	return last == 1; /* never, but only who reads it knows */
}

SEC("tp/net/netif_receive_skb")
int received(void *ctx)
{
	(void)ctx;
	return work();
}

SEC("tp/net/net_dev_queue")
int queued(void *ctx)
{
	(void)ctx;
	return work();
}

SEC("tp/sock/inet_sock_set_state")
int state(void *ctx)
{
	(void)ctx;
	return work();
}
