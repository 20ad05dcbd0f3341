/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A scenario while it runs: its namespaces, sockets and calls, what is seen of them, and what is to be shown. */
#ifndef TCPSHAKE_LAB_SCENE_H
#define TCPSHAKE_LAB_SCENE_H

#include "cli/lab/report.h"
#include "cli/options.h"
#include "cli/text/output.h"

/* What all scenarios of a run share. */
struct lab_bench {
	const struct options *options;
	struct style style;
	struct signals signals;
	struct output out;
	struct lab_watch *watch;
};

struct lab_scene {
	struct lab_bench *bench;
	struct lab_space space;
	struct lab_sockets sockets;
	struct lab_calls calls;
	struct lab_look first[LAB_PLACES]; /* at the beginning */
	struct lab_look now[LAB_PLACES];
	struct lab_report report;
	size_t records; /* so many are shown */
	bool not_held; /* something that was expected */
	bool skipped; /* what was required is not there: the rest is left out */
	bool broken; /* it cannot go on; said */
};

/* 0, or -1 after one line on stderr. To be closed in either case. */
int lab_scene_open(struct lab_scene *s, struct lab_bench *bench, const char *name);
void lab_scene_close(struct lab_scene *s);

/* Is it to end? */
bool lab_scene_is_over(const struct lab_scene *s);
/* Let time pass up to `until` (CLOCK_MONOTONIC), or until the last call of `awaited` (or NULL) has returned. */
void lab_scene_pass(struct lab_scene *s, uint64_t until, const struct lab_socket *awaited);
/* See all sockets and counters as they are now. */
void lab_scene_look(struct lab_scene *s);
/* Into the report: what changed since this was called last. */
void lab_scene_show(struct lab_scene *s);

#endif
