/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Listeners of one address and port, side by side: is one full while others have room? They share it by SO_REUSEPORT, or are
 * of different devices (SO_BINDTODEVICE), which no record says. Pure.
 */
#ifndef TCPSHAKE_GROUP_H
#define TCPSHAKE_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/feed/parsed_record.h"

#define GROUP_MEMBERS 32

struct group_member {
	char socket[20];
	uint32_t pid; /* 0: not known */
	uint64_t most, max; /* of its accept queue: what waited at once, and the limit; max COUNT_UNKNOWN: not looked at yet */
};

struct group {
	uint32_t count; /* of those kept here */
	bool more; /* there was one without room here */
	struct group_member member[GROUP_MEMBERS];
};

/* Take a record of one of them; further ones than GROUP_MEMBERS are not kept. What once waited stays the most. */
void group_take(struct group *g, const struct record_listener *l);

/* "1 of 4 listeners of this port was full (pid 812) while 3 had room: …"; false if that is not so. */
bool group_say(struct buf *out, const struct group *g);

#endif
