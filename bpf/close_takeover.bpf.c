// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How connections end: what the program in close.bpf.c or close_classic.bpf.c was not run for. Attached behind that one. */
#define COUNTS_APART 1
#include "close.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/inet_sock_set_state")
int close_takeover(__u64 *ctx)
{
	return close_changed((struct sock *)ctx[0], (int)ctx[1], (int)ctx[2], TYPE_KNOWN, CLOSE_SECOND);
}
