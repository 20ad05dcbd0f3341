// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the program of state changes was not run for. */
#include "takeover.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/inet_sock_set_state")
int state_takeover(__u64 *ctx)
{
	return take_over((struct sock *)ctx[0], (int)ctx[1], (int)ctx[2], 1);
}
