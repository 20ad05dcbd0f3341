/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The daemon's state, and its parts: main.c starts it, loop.c runs it, events/ makes records. */
#ifndef TCPSHAKE_LOOP_H
#define TCPSHAKE_LOOP_H

#include <event2/event.h>

#include "daemon/output/control.h"
#include "daemon/cause/correlate.h"
#include "daemon/host/identity.h"
#include "daemon/queues/listeners.h"
#include "daemon/metrics/http.h"
#include "daemon/command_line.h"
#include "daemon/queues/pace.h"
#include "daemon/queues/queues.h"
#include "daemon/output/sinks.h"
#include "daemon/kernel/source.h"
#include "daemon/records/tally.h"

struct daemon {
	struct options options;
	struct event_base *base;
	struct event *events[9];
	int event_count;
	struct source *source;
	struct identity *identity;
	struct listeners *listeners;
	struct queues *queues;
	struct correlate *correlate;
	struct sinks *sinks;
	struct control *control;
	struct metrics *metrics;
	struct record record; /* the one being written; its buffer is kept */
	int64_t offset_ns;
	uint64_t start_ns;
	struct tallies tallies;
	struct counters told; /* losses up to here are in the feeds */
	uint64_t told_missed, told_untracked;
	uint64_t causes[ROLES][CAUSE_CODES][2]; /* probable, proven */
	uint64_t inferred[OUTCOMES]; /* passive handshakes whose end no event told */
	uint64_t looked_ns; /* at the queues */
	uint64_t look_cost_ns; /* CPU time of the last look */
	uint64_t looks, look_cpu_ns; /* of all of them */
	struct pace pace;
	uint64_t told_interval_ns; /* on standard error */
	struct event *interval;
	uint64_t given_up; /* attempts of clients that ended unanswered, and were seen to */
	uint64_t hidden, hidden_ns; /* … and were not, up to then */
	bool scan_wanted; /* an owner is missing */
	bool opened; /* a listener, since the last scan */
	uint64_t next_scan_ns;
	unsigned int scan_backoff_s;
	const char *reason;
	int exit_code;
};

/* events/events.c: from the kernel side's events, and from requests, to records */

struct source_handler flow_source_handler(struct daemon *d);
struct control_handler flow_control_handler(struct daemon *d);
struct queues_handler flow_queues_handler(struct daemon *d);

/*
 * Hand the record in d->record on to all feeds, if it is wanted, and count what became of it.
 * `subject`: what filters ask about; NULL: it is of nobody's concern but all readers'.
 */
void flow_put(struct daemon *d, const struct filter_subject *subject);
/* The same of one that has passed the kernel side's filter, and is of an event. */
void flow_put_passed(struct daemon *d, const struct filter_subject *subject);
/* Fetch everything that waits, and write it out. */
void flow_drain(struct daemon *d);
/* Look at all listeners' queues, and at the books of all namespaces or only of those at work. */
void flow_look(struct daemon *d, bool all);
/* Find the owners of all listeners. */
void flow_scan(struct daemon *d);
/* The same, if one may be missing. */
void flow_scan_if_needed(struct daemon *d, uint64_t now);
/* Tell every feed what was lost on the kernel side since the last time. */
void flow_tell_losses(struct daemon *d, const struct counters *now);
/* For the causes: what was lost since then may be why one seems proven. */
void flow_check_losses(struct daemon *d, const struct counters *now);
void flow_hello(struct daemon *d, struct record *r);
/* A record of each listener, as it was at the last look. */
void flow_tell_listeners(struct daemon *d);

/* events/handshakes.c: handshakes, with the cause of those that need one */

unsigned int verdict_is_local(void *ctx, uint32_t netns, const uint8_t *addr); /* a correlate_local_fn */
bool verdict_one_sided(const struct filter *filter);
void verdict_handshake(struct daemon *d, const struct event_handshake *e);
/* Write those that waited for the other side until now; UINT64_MAX: all. */
void verdict_release(struct daemon *d, uint64_t now_ns);
/* Infer the end of requests that are gone. */
void verdict_expire(struct daemon *d, uint64_t now_ns);

/* metrics/measures.c and metrics/durations.c: the metrics */

void measures_put(void *ctx, struct exposition *e); /* a metrics_fn */
void durations_put(const struct daemon *d, struct exposition *e);

/* loop.c */

/* Watch signals, before anything is written: who has read `hello` may expect `bye`. */
int loop_watch_signals(struct daemon *d);
int loop_watch_source(struct daemon *d);
/* Say on standard error why the output cannot be written, and remember to exit 1. */
void loop_output_failed(struct daemon *d, int error);
void loop_output_dead(void *ctx, int error); /* a sink_dead_fn: the same, and stop */
void loop_output_stuck(void *ctx, int error); /* a sink_stuck_fn: say so, and go on */
/* Nothing new from here on: fetch what waits, account for all of it, say so, write it out. */
void loop_finish(struct daemon *d);
void loop_free(struct daemon *d);

#endif
