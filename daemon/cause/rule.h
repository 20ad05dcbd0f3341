/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What rules are made of: what one has found, its words, and what several of them ask. Pure. */
#ifndef TCPSHAKE_RULE_H
#define TCPSHAKE_RULE_H

#include "daemon/cause/cause.h"
#include "daemon/cause/handshake_evidence.h"

#define SYNS_WORDS 96

/* "at 0, 1.02 and 3.05 s": when its SYNs left; or how often, if not all of them were seen. */
const char *syns_sent(const struct evidence *e, char text[SYNS_WORDS]);

/* A queue refused the segment: true if any was seen to. `ending`: what else belongs into the sentence. */
bool by_refusal(const struct refusal_evidence *r, bool sure, const char *segment, const char *ending,
		struct cause *cause);

/*
 * Is what took `wait_ns` much longer than a round trip of this connection that was measured, so
 * that no segment can have been on its way for so long?
 */
bool beyond_trip(uint64_t wait_ns, uint64_t trip_ns);

#endif
