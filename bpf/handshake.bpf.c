// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Every handshake and every listener: the programs that the daemon does not run without. The other
 * objects share the maps and the constants of this one, and each of them is loaded by itself.
 */
#include "lifetime.bpf.h"
#include "overflow.bpf.h"
#include "settings.bpf.h"
#include "state.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* One of the two: see enum attempts_in. */
SEC("tp_btf/inet_sock_set_state")
int state_slots(__u64 *ctx)
{
	return state_changed((struct sock *)ctx[0], (int)ctx[1], (int)ctx[2], IN_SLOTS, TYPE_KNOWN);
}

SEC("tp_btf/inet_sock_set_state")
int state_hash(__u64 *ctx)
{
	return state_changed((struct sock *)ctx[0], (int)ctx[1], (int)ctx[2], IN_HASH, TYPE_KNOWN);
}

SEC("tp_btf/tcp_retransmit_synack")
int retransmit_synack(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	struct request_sock *req = (struct request_sock *)ctx[1];

	if (passive_retransmitted(sk, req))
		overflow_retransmitted(sk, req);
	return 0;
}
