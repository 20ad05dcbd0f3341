// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The floor: a program on the tracepoint of all the others, that does nothing. */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("raw_tp/inet_sock_set_state")
int empty(void *ctx)
{
	(void)ctx;
	return 0;
}
