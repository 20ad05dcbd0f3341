/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Records on their way to the feeds: each is begun, filled in, put, and counted. */
#ifndef TCPSHAKE_EMIT_H
#define TCPSHAKE_EMIT_H

#include "common/filter.h"
#include "daemon/output/sinks.h"
#include "daemon/records/tally.h"

/* At most so many records in each second. */
struct rate {
	uint32_t most; /* 0: any number */
	uint32_t used; /* since then */
	uint64_t since_ns;
};

struct emit {
	struct sinks *sinks;
	const struct filter *filter; /* the daemon's own: what it keeps away no feed gets */
	uint32_t types; /* 1 << enum record_type: those of the stream */
	int64_t offset_ns; /* of the wall clock */
	struct tallies tallies;
	struct record record; /* the one being written; its buffer is kept */
	struct rate *rate; /* that it counts for; NULL: for none */
};

/* Begin a record. What it says is to be appended to the buffer returned. */
struct buf *emit_begin(struct emit *emit, enum record_type type, uint64_t mono_ns);

/* Of the record that was begun: if it is wanted, it is one of so many. */
void emit_count_for(struct emit *emit, struct rate *rate);

bool emit_wants(const struct emit *emit, enum record_type type);

/* Hand it on to all feeds, if it is wanted, and count what became of it. `subject`: what filters ask about. */
void emit_put(struct emit *emit, const struct filter_subject *subject);
/* The same of one that has passed the kernel side's filter, and is of an event. */
void emit_put_passed(struct emit *emit, const struct filter_subject *subject);

#endif
