/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is known about each cause of a handshake: how bad it is, who is to be looked at, what to
 * look at there, and one line of advice. A table; every code of the schema has its row.
 */
#ifndef TCPSHAKE_CAUSES_H
#define TCPSHAKE_CAUSES_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/text/line.h"

/* Whose matter a cause is. */
enum cause_by {
	CAUSE_BY_LISTENER,
	CAUSE_BY_DESTINATION,
	CAUSE_BY_SOURCE,
	CAUSE_BY_ROLE, /* of the side that sees it: passive the listener, active the destination */
};

extern const char *const cause_by_names[CAUSE_BY_ROLE];

enum look_kind {
	LOOK_SYSCTL, /* its name is the sysctl's */
	LOOK_CLIENT, /* the same, where this host is the client */
	LOOK_SERVER, /* the same, where it is the server */
	LOOK_LIMIT, /* the listener's backlog in force, which the feed reports */
	LOOK_PLAIN, /* a call, a command or a place: it has no value */
};

struct look {
	enum look_kind kind;
	const char *name; /* "net.ipv4.neigh." stands for the family in question */
	const char *why;
};

#define LOOKS 5

struct cause_row {
	const char *meaning; /* for the report's title */
	enum paint paint;
	enum cause_by by;
	/* Of two sides that say different things, the higher is believed: it saw more. */
	int weight;
	struct look looks[LOOKS]; /* up to one without a name */
	const char *advice; /* one sentence or two; for accept_queue_full see explain_advice() */
};

/* NULL for a newer daemon's code. */
const struct cause_row *cause_find(const char *code);

#endif
