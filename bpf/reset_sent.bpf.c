// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* RSTs that this host sends. */
#include "reset_sent.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Raw, for the first two arguments may be NULL, and not all kernels say so. */
SEC("raw_tp/tcp_send_reset")
int send_reset(__u64 *ctx)
{
	__u32 reason = NO_REASON;

	if (send_reset_has_reason())
		reason = (__u32)ctx[2];
	return reset_sent((struct sock *)ctx[0], (struct sk_buff *)ctx[1], reason);
}
