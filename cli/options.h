/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The command line: which view, where records come from, which, and for how long. */
#ifndef TCPSHAKE_OPTIONS_H
#define TCPSHAKE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/filter.h"
#include "common/option_table.h"
#include "cli/text/terminal.h"

enum exit_status { STATUS_OK = 0, STATUS_FAILED = 1, STATUS_USAGE = 2 };

/* Of listeners up to SORT_PROCESS, and then of states; each has its own default. */
enum sort_key {
	SORT_DEFAULT,
	SORT_QUEUE,
	SORT_PEAK,
	SORT_DROPS,
	SORT_PORT,
	SORT_PROCESS,
	SORT_LIMIT,
	SORT_CLOSE_WAIT,
	SORT_TIME_WAIT,
	SORT_SOCKETS,
	SORT_KEYS,
};

#define FROM_MAX 64 /* recordings that are read as one */
#define TRIGGERS_MAX 16

struct options {
	const char *from; /* the first of them, or NULL */
	const char *froms[FROM_MAX]; /* recordings, "-" for standard input */
	uint32_t from_count;
	const char *socket;
	bool socket_given; /* then nothing else will do */
	struct filter filter;
	const char *cgroup; /* as given; it is in the filter in the end */
	const char *events; /* types of records, as given, or NULL: all that come */
	uint32_t event_mask; /* 1 << enum record_type */
	const uint32_t *parts; /* of each type, what the view needs of a live feed (cli/feed/record_scan.h); NULL: all */
	uint64_t duration_ns; /* 0: until it is asked to stop */
	uint64_t now_ns; /* when the command line was read, since the epoch */
	uint64_t since_ns, until_ns; /* of recordings, since the epoch; 0: from the beginning, to the end */
	uint64_t keep_bytes; /* record into a ring of this size; 0: into one file */
	const char *triggers[TRIGGERS_MAX]; /* when to keep an incident, as given */
	uint32_t trigger_count;
	uint64_t before_ns, after_ns; /* of an incident; 0: not given */
	const char *then; /* the program to run after one, or NULL */
	enum color_mode color;
	bool json;
	bool no_summary;
	bool once; /* of views that are redrawn */
	const char *file; /* the operand, or NULL */
	const char *output; /* of report, or NULL */
	bool list, all, step; /* of lab */
	double patience; /* of lab: how many times as long to wait; 0: not given */
	bool force;
	unsigned completion; /* print that of this shell of completion_shells; 0: none */
	enum sort_key sort;
	uint32_t by_mask; /* of states: 1 << enum states_by; 0: all */
	double speed; /* of a replay; 0: as fast as it goes */
	bool speed_given;
	unsigned window_number; /* of top: 1 + enum top_window; 0: not given */
	bool help;
	bool version;
};

/* Which options a view has, in the table of options. */
enum view_bit {
	VIEW_TOP = 1,
	VIEW_TAIL = 2,
	VIEW_LISTENERS = 4,
	VIEW_STATS = 8,
	VIEW_EXPLAIN = 16,
	VIEW_RECORD = 32,
	VIEW_DOCTOR = 64,
	VIEW_LAB = 128,
	VIEW_STATES = 256,
	VIEW_REPORT = 512,
};

struct view {
	const char *name;
	enum view_bit bit;
	const char *summary; /* a few words for the list of views */
	const char *description; /* for its own help */
	const char *examples;
	const char *operand; /* what it takes beside options, "FILE"; "[FILE]" if it need not; or NULL */
	enum exit_status (*run)(const struct options *o);
};

/* Where in argv the view is, which options may come before; 0: none is named. */
int cli_options_find_view(int argc, char **argv);

/*
 * Parse argv[1..] with getopt_long(3). STATUS_OK, or STATUS_USAGE after one line on stderr.
 * Options that the view does not have are refused. `o` is to be freed in either case.
 */
enum exit_status cli_options_parse(struct options *o, const struct view *view, int argc,
				   char **argv);
/* Are all of these known options that the view has? What is wrong is not said. */
bool cli_options_fit(const struct view *view, int argc, char **argv);
void cli_options_free(struct options *o);
/* All options of all views. */
const struct option_table *cli_options_table(void);

#endif
