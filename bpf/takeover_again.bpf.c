// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What neither of the other two was run for: where a task can be preempted inside of one, that one misses
 * all that happens on its CPU until the task is back. Four tasks at once hardly ever are.
 */
#include "takeover.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/inet_sock_set_state")
int state_takeover_2(__u64 *ctx)
{
	return take_over((struct sock *)ctx[0], (int)ctx[1], (int)ctx[2], 2);
}

SEC("tp_btf/inet_sock_set_state")
int state_takeover_3(__u64 *ctx)
{
	return take_over((struct sock *)ctx[0], (int)ctx[1], (int)ctx[2], 3);
}

SEC("tp_btf/inet_sock_set_state")
int state_takeover_4(__u64 *ctx)
{
	return take_over((struct sock *)ctx[0], (int)ctx[1], (int)ctx[2], 4);
}
