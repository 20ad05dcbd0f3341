/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the kernel side's events, and from what queues/ reports, to records.
 *
 * The folder events/ is for what becomes a record, when, and for whom; it may include all below it, output/ included,
 * and knows no timer and no option. emit puts records to the feeds; looks fetches; handshakes gives them a cause;
 * losses says what is missing; answers serves one reader; events.c takes what comes by itself.
 */
#ifndef TCPSHAKE_EVENTS_H
#define TCPSHAKE_EVENTS_H

#include "daemon/events/answers.h"
#include "daemon/events/descriptors.h"
#include "daemon/events/emit.h"
#include "daemon/events/handshakes.h"
#include "daemon/events/looks.h"
#include "daemon/events/losses.h"

struct events {
	struct source *source;
	struct identity *identity;
	struct listeners *listeners;
	struct queues *queues;
	struct correlate *correlate;
	struct emit emit;
	struct looks looks;
	struct descriptors descriptors;
	struct losses losses;
	struct handshakes handshakes;
	struct answers answers;
};

/* How the stream is to be. */
struct events_setup {
	struct sinks *sinks; /* not owned; NULL if nothing is emitted */
	const struct filter *filter; /* not owned */
	uint32_t types; /* 1 << enum record_type */
	uint64_t look_interval_ns;
};

/* Make all parts; the source is still to be loaded. 0 or a negative errno; to be freed in any case. */
int events_init(struct events *events, const struct events_setup *setup);
void events_free(struct events *events);

/* Emit a record of each listener, as it was at the last look. */
void events_put_listeners(struct events *events);

#endif
