// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* State changes by the classic tracepoint. */
#include "state.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * For kernels that let a task be preempted inside the programs above, which then miss every run on
 * that CPU until it is back: a classic tracepoint's are not preempted, but cost some more.
 */
SEC("tp/sock/inet_sock_set_state")
int state_classic(struct trace_event_raw_inet_sock_set_state *ctx)
{
	struct sock *sk = bpf_rdonly_cast(ctx->skaddr, sock_type);

	return state_changed(sk, ctx->oldstate, ctx->newstate, IN_SLOTS, TYPE_CAST);
}
