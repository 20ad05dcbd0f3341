// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How connections end. */
#include "close.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/inet_sock_set_state")
int close_state(__u64 *ctx)
{
	return close_changed((struct sock *)ctx[0], (int)ctx[1], (int)ctx[2], TYPE_KNOWN, closes_taken_over() ? CLOSE_FIRST : CLOSE_ALONE);
}
