// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* SYNs that go out again. */
#include "retransmit.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/tcp_retransmit_skb")
int retransmit_skb(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	int error = 0;

	if (sk->__sk_common.skc_state != TCP_SYN_SENT)
		return 0;
	if (retransmit_has_error())
		error = (int)ctx[2];
	syn_retransmitted(sk, error);
	return 0;
}
