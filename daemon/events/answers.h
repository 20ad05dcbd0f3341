/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Records that one feed gets: answers to what its reader asks, and the first and the last record of each. */
#ifndef TCPSHAKE_ANSWERS_H
#define TCPSHAKE_ANSWERS_H

#include "daemon/events/descriptors.h"
#include "daemon/events/emit.h"
#include "daemon/events/handshakes.h"
#include "daemon/events/looks.h"
#include "daemon/host/identity.h"
#include "daemon/output/control.h"
#include "daemon/queues/queues.h"
#include "daemon/records/reports.h"

struct answers {
	struct source *source;
	struct queues *queues;
	struct identity *identity;
	struct emit *emit;
	struct looks *looks;
	struct descriptors *descriptors;
	const struct handshakes *handshakes;
	uint64_t start_ns; /* of the daemon */
};

/* The control socket's requests; `a` is kept. */
struct control_handler answers_handler(struct answers *a);

/* `subscription`: the reader's own filter, NULL where there is none. */
void answers_hello(struct answers *a, struct record *r, const struct filter *subscription);

/* What has been counted until now, but for `reason`. 0, or a negative errno: the kernel side's counters are 0. */
int answers_totals(const struct answers *a, struct totals *totals);
/* The last record of each feed that is subscribed. */
void answers_bye(struct answers *a, const struct totals *totals);

#endif
