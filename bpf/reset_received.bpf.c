// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* RSTs that full sockets receive. */
#include "reset_received.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/tcp_receive_reset")
int receive_reset(__u64 *ctx)
{
	reset_received((struct sock *)ctx[0]);
	return 0;
}
