/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What listen() asked for and what it got, in words; and who asks for such a number by default. Pure. */
#ifndef TCPSHAKE_BACKLOG_H
#define TCPSHAKE_BACKLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define COUNT_UNKNOWN UINT64_MAX /* of any number that a record may lack */

struct backlog {
	bool asked_known;
	int64_t asked;
	uint64_t got; /* or COUNT_UNKNOWN */
};

/* It asked for more than it got. */
bool backlog_is_clamped(const struct backlog *b);

/*
 * "asked 65535, got 4096: net.core.somaxconn of this namespace", and who gives that number if nobody sets another. False if
 * there is nothing to say.
 */
bool backlog_say(struct buf *out, const struct backlog *b);

#endif
