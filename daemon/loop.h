/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What happens when: timers, signals, the end. main.c starts it. */
#ifndef TCPSHAKE_LOOP_H
#define TCPSHAKE_LOOP_H

#include <event2/event.h>
#include <sys/utsname.h>

#include "daemon/command_line.h"
#include "daemon/events/events.h"
#include "daemon/metrics/http.h"
#include "daemon/output/control.h"
#include "daemon/output/sinks.h"

struct daemon {
	struct options options;
	struct utsname host;
	struct event_base *base;
	struct event *timers[12]; /* and signals, and the source's descriptor */
	int timer_count;
	int clock; /* clock_watch(), or a negative errno */
	struct event *interval;
	struct event *drain; /* not pending while the reader sleeps */
	unsigned int empty_drains; /* one after the other */
	unsigned int skipped_looks; /* the same */
	bool busy; /* something happened since the last look */
	struct events events;
	struct sinks *sinks;
	struct control *control;
	struct metrics *metrics;
	uint64_t logged_interval_ns; /* between looks, as standard error has it */
	const char *reason; /* why it ends */
	int exit_code;
};

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
