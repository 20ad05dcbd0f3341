/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The words of the records, for the numbers of bpf/event.h and those here. The schemas list the
 * same words; all lists grow at their end only.
 */
#ifndef TCPSHAKE_NAMES_H
#define TCPSHAKE_NAMES_H

#include <stddef.h>

#include "bpf/event.h"

/* Why a handshake failed, was retransmitted or was slow. */
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
	CAUSE_SEND_FAILED,
	CAUSE_NO_ROUTE_BACK,
	CAUSE_LOCAL_DROP,
	CAUSE_DESCRIPTORS_EXHAUSTED,
	CAUSE_LISTENER_CLOSED,
	CAUSE_PORT_REUSED,
	CAUSE_NO_ROUTE,
	CAUSE_DENIED,
	CAUSE_CODES,
};

/* Why a record was not delivered. */
enum loss_why {
	LOSS_SLOW_READER,
	LOSS_WRITE_ERROR,
	LOSS_RING_FULL,
	LOSS_RATE_LIMIT,
	LOSS_MAP_FULL,
	LOSS_NESTED,
	LOSS_WHYS,
};

/* What a `listener` record is about. */
enum listener_change {
	CHANGE_OPENED,
	CHANGE_CLOSED,
	CHANGE_CHANGED, /* its backlog, its port or its owners */
	CHANGE_SAMPLE,
	CHANGES,
};

extern const char *const role_names[ROLES];
extern const char *const outcome_names[OUTCOMES];
extern const char *const cause_names[CAUSE_CODES];
extern const char *const certainty_names[2]; /* by: is it proven? */
extern const char *const loss_why_names[LOSS_WHYS];
extern const char *const change_names[CHANGES];
extern const char *const stage_names[STAGES];
extern const char *const queue_names[QUEUES];
extern const char *const action_names[ACTIONS];
extern const char *const reset_cause_names[RESET_CAUSES];
extern const char *const drop_segment_names[DROP_SEGMENTS];
extern const char *const close_first_names[FIRSTS]; /* NULL: it has no word */
extern const char *const close_call_names[CLOSE_CALLS]; /* the same */
extern const char *const close_how_names[HOWS];
extern const char *const close_state_names[CLOSE_STATES];
extern const char *const drop_direction_names[DROP_DIRECTIONS];

/* The index of the `len` bytes at `word` in `names`, which may have holes, or -1. */
int name_index(const char *const *names, int count, const char *word, size_t len);

/* "ECONNREFUSED" for an errno; NULL for one that Linux does not define. */
const char *errno_name(int error);

#endif
