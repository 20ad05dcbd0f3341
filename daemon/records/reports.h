/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The records about the daemon itself: hello, bye, probe, end. */
#ifndef TCPSHAKE_REPORTS_H
#define TCPSHAKE_REPORTS_H

#include "bpf/counters.h"
#include "common/filter.h"
#include "daemon/kernel/source.h"
#include "daemon/records/tally.h"

/* `subscription` is the reader's own filter, NULL where there is none. */
void report_hello(struct buf *b, const struct source *source, const struct filter *filter,
		  const struct filter *subscription);

struct totals {
	struct counters counters;
	const struct tallies *tallies;
	const uint64_t *inferred; /* passive handshakes whose end no event reported, by outcome */
	uint64_t uptime_ns;
	uint64_t asked_ns, interval_ns; /* from one look at the queues to the next */
	const char *reason; /* "signal", "duration", "error" */
};

void report_bye(struct buf *b, const struct totals *totals, const struct feed_totals *feed);
void report_stats(struct buf *b, const struct totals *totals); /* `reason` is not asked */
void report_probe(struct buf *b, const struct source *source);
/* `error`: NULL if the request was served. */
void report_end(struct buf *b, const char *error);

#endif
