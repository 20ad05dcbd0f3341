/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel holds in a namespace now: its table of TCP sockets, and its counters. */
#ifndef TCPSHAKE_LAB_LOOK_H
#define TCPSHAKE_LAB_LOOK_H

#include "cli/lab/space.h"
#include "cli/lab/words.h"

#define LAB_COUNTER_NAME 40

struct lab_end {
	uint8_t addr[16]; /* IPv4 as v4-mapped */
	uint16_t port;
};

/* A row of /proc/net/tcp or tcp6. */
struct lab_row {
	struct lab_end local, remote;
	enum lab_state state;
};

struct lab_counter {
	char name[LAB_COUNTER_NAME];
	uint64_t value;
	uint64_t shown; /* its value when it was shown last; for who shows it */
};

struct lab_look {
	struct lab_row *rows;
	size_t row_count, row_room;
	struct lab_counter *counters;
	size_t counter_count, counter_room;
};

/* Fill it anew. 0 or a negative errno. */
int lab_look(const struct lab_space *s, enum lab_place place, struct lab_look *look);
void lab_look_free(struct lab_look *look);

/* NULL if this kernel has no such counter. */
const struct lab_counter *lab_look_counter(const struct lab_look *look, const char *name);
/* The row of a connection, or NULL. */
const struct lab_row *lab_look_row(const struct lab_look *look, const struct lab_end *local,
				   const struct lab_end *remote);
/* Requests that wait for the final ACK at a port. */
unsigned lab_look_requests(const struct lab_look *look, uint16_t port);
/* Is it a count of all segments, and no news after a call? */
bool lab_counter_is_plain(const char *name);

#endif
