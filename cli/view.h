/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The views of the CLI: one row of main.c's table and one function each. */
#ifndef TCPSHAKE_VIEW_H
#define TCPSHAKE_VIEW_H

#include "cli/options.h"

/* Which options a view has, in the table of options. */
enum view_bit {
	VIEW_TOP = 1,
	VIEW_TAIL = 2,
	VIEW_LISTENERS = 4,
	VIEW_STATS = 8,
	VIEW_EXPLAIN = 16,
	VIEW_RECORD = 32,
	VIEW_DOCTOR = 64,
};

struct view {
	const char *name;
	enum view_bit bit;
	const char *summary; /* a few words for the list of views */
	const char *description; /* for its own help */
	const char *examples;
	const char *operand; /* what it takes beside options, "FILE"; or NULL */
	enum exit_status (*run)(const struct options *o);
};

enum exit_status top_run(const struct options *o);
enum exit_status tail_run(const struct options *o);
enum exit_status listeners_run(const struct options *o);
enum exit_status stats_run(const struct options *o);
enum exit_status explain_run(const struct options *o);
enum exit_status record_run(const struct options *o);
enum exit_status doctor_run(const struct options *o);

#endif
