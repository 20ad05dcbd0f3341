/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Files of what was recorded around a moment: `incident-TIME-CAUSE.ndjson.zst`, beside the segments of a ring. The
 * frames that are in the ring already are copied, and those that follow are written to both. So a file begins and
 * ends with a frame, up to a second before and after what was asked for.
 *
 * One file at a time, and one in five minutes; other strikes are counted. All files together take at most half of
 * the ring's size, and count in it: the oldest is removed for a new one.
 */
#ifndef TCPSHAKE_INCIDENT_H
#define TCPSHAKE_INCIDENT_H

#include "cli/record/ring_store.h"

struct incidents;

/* What to keep; `then` is run with the file and its CAUSE as arguments, or NULL. */
struct incident_plan {
	uint64_t before_ns, after_ns;
	const char *then;
};

/* Takes those that are there into the count of the ring. NULL after one line on stderr. */
struct incidents *incidents_open(struct ring_store *store, const struct incident_plan *plan);

/* It struck, at a record of that time (since the epoch). `word`: the cause. */
void incidents_strike(struct incidents *i, uint64_t wall_ns, uint64_t now_ns, const char *word);
/* A frame is in the ring; `hello` is a line that says whose it is, empty if it begins with one. */
void incidents_frame(struct incidents *i, const struct buf *frame, const struct ring_span *span, const struct buf *hello);
/* Time passes, also where nothing comes. When to call it again, CLOCK_MONOTONIC, or UINT64_MAX. */
uint64_t incidents_pass(struct incidents *i, uint64_t now_ns);

/* Ends the file that is written; its command is run, and not waited for. */
void incidents_close(struct incidents *i, uint64_t *files, uint64_t *strikes);

#endif
