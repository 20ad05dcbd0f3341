/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the records of other hosts say of a client's attempt that failed or was retransmitted. Pure.
 *
 * Both hosts' records name a connection by `conn`: a RST that was sent, or a segment that was dropped, for the same
 * `conn` is known to be that one's, whatever the clocks say. What has no `conn` (a SYN that a queue refused, a full
 * queue) is found by address, port and time. It rests on clocks that were compared, and is never proven.
 */
#ifndef TCPSHAKE_EXPLAIN_ACROSS_H
#define TCPSHAKE_EXPLAIN_ACROSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/feed/hosts.h"
#include "cli/feed/parsed_record.h"

/* What another host's records show. */
struct across_finding {
	char code[48]; /* of the cause; "": no cause, but `detail` says what that host did not see */
	bool proven;
	char detail[320];
	uint64_t wall_ns; /* when the attempt ended, by the clock of the first host */
	/* Where, on that host; `addr` is "" if it is the place that the client saw. */
	uint32_t host;
	uint64_t netns;
	char addr[64];
	uint16_t port;
};

struct across;

/* NULL if memory is out. */
struct across *across_new(void);
void across_free(struct across *a);

/* Take any record, in any order. False if memory is out. */
bool across_add(struct across *a, const struct record *r);
/* An active handshake; its number comes in `*number`, UINT32_MAX if there is nothing to find. False if memory is out. */
bool across_attempt(struct across *a, const struct record *r, uint32_t *number);
/* Something of the other side's is known already: then that it was not seen is not said. */
void across_joined(struct across *a, uint32_t number);

/* Nothing is added any more. `hosts`: their names and clocks, by number. */
void across_ready(struct across *a, const struct host_report *hosts, uint32_t count);
/* What is found for attempt `number`; false: nothing. */
bool across_find(const struct across *a, uint32_t number, struct across_finding *finding);

#endif
