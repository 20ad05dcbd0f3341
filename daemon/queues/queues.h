/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Listeners and their queues, from events and looks to records: `listener` when one opens, closes,
 * changes or is busy, `overflow` for each refusal that can be told.
 */
#ifndef TCPSHAKE_QUEUES_H
#define TCPSHAKE_QUEUES_H

#include "daemon/host/identity.h"
#include "daemon/cause/correlate.h"
#include "daemon/metrics/exposition.h"
#include "daemon/queues/listeners.h"
#include "daemon/records/record.h"
#include "daemon/kernel/source.h"

struct queues;

/*
 * Where records go: begin() gives one to fill in, end() takes it, with what filters ask about
 * (NULL: a record that no filter keeps away).
 */
struct queues_output {
	struct record *(*begin)(void *ctx, enum record_type type, uint64_t mono_ns, int64_t offset_ns);
	void (*end)(void *ctx, const struct filter_subject *subject);
	/* For who asks why; may be NULL: SYNs refused, and that all before `now_ns` were told. */
	void (*refused)(void *ctx, const struct syn_refusals *refusals);
	void (*looked)(void *ctx, uint32_t netns, uint64_t now_ns);
	void *ctx;
};

/* None of the three is owned. NULL if memory is out. */
struct queues *queues_new(struct source *source, struct listeners *listeners,
			  struct identity *identity, const struct queues_output *output);
void queues_free(struct queues *q);

void queues_listener(struct queues *q, const struct event_listener *e);
void queues_overflow(struct queues *q, const struct event_overflow *e);

/* How many namespaces have the address (`netns`: only that one)? As far as one can be looked into. */
unsigned int queues_has_address(struct queues *q, uint32_t netns, const uint8_t *addr);

/* A process of this namespace opened a connection: it is audited from now on. Cheap. */
void queues_client(struct queues *q, uint32_t netns, uint32_t pid);

/*
 * Look at all queues: at start, and every interval. `offset_ns` dates the records from here on. The
 * books of idle namespaces are read now and then, or with `all` now.
 */
void queues_interval(struct queues *q, uint64_t now_ns, int64_t offset_ns, bool all);

/* How many handshakes were refused so, in records or out of them. */
uint64_t queues_refused(const struct queues *q, enum overflow_stage stage,
			enum overflow_queue queue, enum overflow_action action);

/* How many audits balanced, or did not. */
uint64_t queues_audits(const struct queues *q, bool balanced);

/*
 * The samples of a family, of at most so many namespaces: the differences of the last audit that no
 * rule explains, or the total of all audits' (of their absolute values).
 */
void queues_measure_audits(const struct queues *q, struct exposition *e, bool total,
			   unsigned int max);

/* A record of each listener as it was at the last look, to another output. */
void queues_report(struct queues *q, const struct queues_output *output);
/* The last audit of each namespace. */
void queues_report_audits(struct queues *q, const struct queues_output *output);

#endif
