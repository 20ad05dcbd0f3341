// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Next hops that do not answer. */
#include "neighbour.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("raw_tp/neigh_timer_handler")
int neighbour_handled(__u64 *ctx)
{
	neighbour_timer((struct neighbour *)ctx[0]);
	return 0;
}
