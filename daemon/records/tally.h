/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What became of everything that is a record or might have been one, by type (docs/accounting.md):
 * seen = delivered + filtered + limited + lost. The kernel side counts its events; most become one
 * record, some none, and some records are of no event. Pure.
 */
#ifndef TCPSHAKE_TALLY_H
#define TCPSHAKE_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/counters.h"
#include "bpf/event.h"
#include "daemon/records/record.h"

struct tally {
	uint64_t made; /* records of no event of the type: of looks and intervals, inferred */
	uint64_t left; /* filtered by the daemon: records, and events that become none */
	uint64_t limited; /* records that are over the daemon's own limit */
	uint64_t failed; /* records that memory was short for */
	uint64_t event_records; /* of the event that is being handled */
};

struct tallies {
	struct tally of[RECORD_TYPES];
	enum record_type event; /* whose event is being handled; RECORD_TYPES: none's */
};

/* Around the handling of an event whose record is made at once, if at all. */
void tally_event(struct tallies *t, enum record_type type);
void tally_event_done(struct tallies *t);
/* A record was made, of the event that is being handled if that is of its type, or `of_event`. */
void tally_record(struct tallies *t, enum record_type type, bool of_event);
void tally_left(struct tallies *t, enum record_type type);
void tally_limited(struct tallies *t, enum record_type type);
void tally_failed(struct tallies *t, enum record_type type);

struct fate {
	uint64_t seen, delivered, filtered, limited, lost;
};

/*
 * The sums of a type. What has been delivered to the daemon and waits there for its record is
 * delivered. False for types that are not counted.
 */
bool tally_fate(const struct tallies *t, const struct counters *c, enum record_type type,
		struct fate *fate);

/* Of one type, what was offered to one feed: before + records + filtered + lost is what all feeds were. */
struct feed_tally {
	uint64_t before; /* it was subscribed */
	uint64_t records; /* appended */
	uint64_t filtered; /* by its own filter */
	uint64_t lost; /* for want of room */
};

struct feed_totals {
	const char *id; /* of the feed; NULL: its records do not name it */
	uint64_t records, lost; /* of all types, those of no stream included */
	struct feed_tally of[RECORD_TYPES];
};

/* RSTs of a direction and a cause, those for requests in the SYN queue included. */
uint64_t counters_resets(const struct counters *c, enum reset_direction direction,
			 enum reset_cause cause);

#endif
