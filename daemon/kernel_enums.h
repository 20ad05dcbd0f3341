/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers that the running kernel gives to names, and names to numbers, from its BTF. */
#ifndef TCPSHAKE_KERNEL_ENUMS_H
#define TCPSHAKE_KERNEL_ENUMS_H

#include <stdbool.h>
#include <stdint.h>

#include "btf_index.h"

enum kernel_name {
	KERNEL_LISTEN_OVERFLOWS, /* LINUX_MIB_LISTENOVERFLOWS */
	KERNEL_LISTEN_DROPS, /* LINUX_MIB_LISTENDROPS */
	KERNEL_REQQ_FULL_DROP, /* LINUX_MIB_TCPREQQFULLDROP */
	KERNEL_NO_SOCKET, /* SKB_DROP_REASON_NO_SOCKET: 5.17 */
	KERNEL_OVERFLOW_REASON, /* SKB_DROP_REASON_TCP_LISTEN_OVERFLOW: 6.15 */
	KERNEL_OUT_RSTS, /* TCP_MIB_OUTRSTS */
	KERNEL_NAMES,
};

struct kernel_enums {
	struct kernel_number {
		uint32_t value;
		bool known;
	} number[KERNEL_NAMES];
	uint32_t sock, tcp_sock; /* the BTF types of these structs */
	bool receive_reset; /* there is a tracepoint tcp_receive_reset */
	uint32_t conn_request; /* the BTF type of tcp_conn_request(); 0: not there */
	uint32_t send_reset; /* how many of tcp_v4_send_reset() and tcp_v6_send_reset() are there */
	char **reset_reason; /* of enum sk_rst_reason, by number, with gaps; lower case, no prefix */
	uint32_t reset_reasons; /* 0: the kernel has none (before 6.10) */
};

/* A name that the kernel does not have stays unknown; functions, of which there are many, if they are wanted. */
void kernel_enums_read(struct kernel_enums *enums, const struct btf_index *btf, bool functions);
void kernel_enums_free(struct kernel_enums *enums); /* what it owns */

#endif
