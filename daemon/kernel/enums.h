/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers that the running kernel gives to names, and names to numbers, from its BTF. */
#ifndef TCPSHAKE_KERNEL_ENUMS_H
#define TCPSHAKE_KERNEL_ENUMS_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"
#include "daemon/kernel/btf_index.h"

enum kernel_name {
	KERNEL_LISTEN_OVERFLOWS, /* LINUX_MIB_LISTENOVERFLOWS */
	KERNEL_LISTEN_DROPS, /* LINUX_MIB_LISTENDROPS */
	KERNEL_REQQ_FULL_DROP, /* LINUX_MIB_TCPREQQFULLDROP */
	KERNEL_NO_SOCKET, /* SKB_DROP_REASON_NO_SOCKET: 5.17 */
	KERNEL_OVERFLOW_REASON, /* SKB_DROP_REASON_TCP_LISTEN_OVERFLOW: 6.15 */
	KERNEL_OUT_RSTS, /* TCP_MIB_OUTRSTS */
	KERNEL_OUT_NO_ROUTES, /* IPSTATS_MIB_OUTNOROUTES */
	KERNEL_NAMES,
};

/* What programs attach to, by the name of a tracepoint, a function or an iterator. */
enum kernel_target {
	TARGET_SET_STATE,
	TARGET_RETRANSMIT_SYNACK,
	TARGET_RETRANSMIT_SKB,
	TARGET_RECEIVE_RESET,
	TARGET_SYS_EXIT,
	TARGET_TASK_FILE,
	TARGET_CONN_REQUEST,
	TARGET_CHECK_REQ,
	TARGET_GET_COOKIE_SOCK,
	TARGET_V4_SEND_RESET,
	TARGET_V6_SEND_RESET,
	TARGET_ACCEPT,
	TARGET_ADD_REQUEST,
	TARGET_SYS_ENTER,
	TARGET_SECURITY_CONNECT,
	TARGET_STREAM_CONNECT,
	TARGET_V4_CONNECT,
	TARGET_V6_CONNECT,
	KERNEL_TARGETS,
};

struct kernel_enums {
	struct kernel_number {
		uint32_t value;
		bool known;
	} number[KERNEL_NAMES];
	uint32_t sock, tcp_sock; /* the BTF types of these structs */
	uint32_t target[KERNEL_TARGETS]; /* BTF types; 0: not there */
	bool preallocates; /* hash maps of programs of the type RAW_TRACEPOINT have to be (before 6.1) */
	bool send_reset_has_reason; /* tcp_send_reset has a reason, and fires without a full socket (6.10) */
	bool drop_has_socket; /* kfree_skb has the receiving socket (6.11) */
	bool retransmit_has_error; /* tcp_retransmit_skb has an error (6.17) */
	uint8_t drop_reasons[KERNEL_REASONS_MAX]; /* by number of enum skb_drop_reason: that of common/drop_reason.h, or 0 */
	char **reset_reason; /* of enum sk_rst_reason, by number, with gaps; lower case, no prefix */
	uint32_t reset_reasons; /* 0: the kernel has none (before 6.10) */
};

/* A name that the kernel does not have stays unknown. */
void kernel_enums_read(struct kernel_enums *enums, const struct btf_index *btf);
/* The type that a program of `attach` (enum bpf_attach_type) at `name` attaches to; 0: there is none. */
uint32_t kernel_attach_target(const struct kernel_enums *enums, int attach, const char *name);
void kernel_enums_free(struct kernel_enums *enums); /* what it owns */

#endif
