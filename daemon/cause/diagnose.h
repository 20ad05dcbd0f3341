/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Why a handshake failed, was retransmitted or was slow: from what was seen of it on either side.
 * Pure. `proven` is only said of what the evidence leaves no other explanation for.
 */
#ifndef TCPSHAKE_DIAGNOSE_H
#define TCPSHAKE_DIAGNOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/cause/handshake_evidence.h"

/* Append only: cause_names, the schema and `tcpshake explain` follow. */
enum cause_code {
	CAUSE_NONE, /* nothing to explain */
	CAUSE_ACCEPT_QUEUE_FULL,
	CAUSE_SYN_QUEUE_FULL,
	CAUSE_SYN_QUEUE_THREE_QUARTERS,
	CAUSE_SYN_LOST,
	CAUSE_SYNACK_LOST,
	CAUSE_ACK_LOST,
	CAUSE_SEGMENT_LOST,
	CAUSE_NO_ANSWER,
	CAUSE_PORT_CLOSED,
	CAUSE_FILTERED,
	CAUSE_ICMP_UNREACHABLE,
	CAUSE_NEIGHBOUR_FAILED,
	CAUSE_APPLICATION_CANCELLED,
	CAUSE_PORTS_EXHAUSTED,
	CAUSE_DEFERRED_ACCEPT,
	CAUSE_CLIENT_RESET,
	CAUSE_PEER_RESET,
	CAUSE_SLOW_PATH,
	CAUSE_UNKNOWN,
	CAUSE_CODES,
};

extern const char *const cause_names[CAUSE_CODES];

struct cause {
	enum cause_code code;
	bool proven;
	char detail[240]; /* one sentence */
};

/* Does it call for a cause? `slow_ns` as in the evidence. */
bool diagnose_wanted(const struct event_handshake *e, uint64_t slow_ns);

void diagnose(const struct evidence *e, struct cause *cause);

#endif
