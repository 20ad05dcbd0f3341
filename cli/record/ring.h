/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The latest records in a directory, in segments of which the oldest is dropped (cli/feed/segments.h). Lines are
 * collected for a second; each write is a zstd frame of its own, so that a segment holds whole records at any moment.
 * All segments together never take more than the size that was given.
 *
 * A segment begins with the hello of its feed, marked `repeated` where it is from an earlier one: who reads only the
 * later segments knows as well what was watched. What was dropped is said by `rotation` records, without `seq`: they
 * are ours, and not in the daemon's count.
 */
#ifndef TCPSHAKE_RING_H
#define TCPSHAKE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/feed/parsed_record.h"
#include "cli/record/incident.h"

struct ring;

/* The directory is made if it is not there; one recorder at a time writes into it. NULL after one line on stderr. */
struct ring *ring_open(const char *path, uint64_t keep_bytes, const struct incident_plan *plan);

/* A record, and its line without newline. */
void ring_put(struct ring *r, const struct record *record, const char *line, size_t len);

/* A trigger struck at a record that was put: keep what is around it. */
void ring_strike(struct ring *r, const char *word);

/*
 * Write what is due at `now_ns` (CLOCK_MONOTONIC); `*again_at`: when to call it again. Where that fails, as on a full
 * disk, one line says so, and it is tried again twice a second. What does not fit into memory meanwhile is lost: the
 * gap in `seq` shows it.
 */
void ring_flush(struct ring *r, uint64_t now_ns, uint64_t *again_at);

struct ring_report {
	uint64_t written, lost; /* lines */
	uint64_t dropped; /* segments */
	uint64_t incidents, strikes;
};

/* Write all and release it. False if something could not be written, which was said. */
bool ring_close(struct ring *r, struct ring_report *report);

#endif
