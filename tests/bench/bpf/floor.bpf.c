// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcpshaked's floor: programs that do nothing, on each of its tracepoints that a connection of the storm passes. */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/inet_sock_set_state")
int state(void *ctx)
{
	(void)ctx;
	return 0;
}

SEC("raw_tp/tcp_send_reset")
int reset_sent(void *ctx)
{
	(void)ctx;
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int reset_received(void *ctx)
{
	(void)ctx;
	return 0;
}

SEC("raw_tp/kfree_skb")
int dropped(void *ctx)
{
	(void)ctx;
	return 0;
}
