// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How connections end, by the classic tracepoint: see classic.bpf.c. */
#include "close.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp/sock/inet_sock_set_state")
int close_state_classic(struct trace_event_raw_inet_sock_set_state *ctx)
{
	return close_changed(bpf_rdonly_cast(ctx->skaddr, sock_type), ctx->oldstate, ctx->newstate, TYPE_CAST, closes_taken_over() ? CLOSE_FIRST : CLOSE_ALONE);
}
