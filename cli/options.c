// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/completion.h"
#include "common/duration.h"
#include "common/log.h"
#include "common/names.h"
#include "common/option_table.h"
#include "common/record_type.h"

static int set_from(struct options *o, const char *value)
{
	o->from = value;
	return *value ? 0 : -1;
}

static int set_socket(struct options *o, const char *value)
{
	o->socket = value;
	o->socket_given = true;
	return *value ? 0 : -1;
}

/* What it has to be depends on --from, which may come later. */
static int set_cgroup(struct options *o, const char *value)
{
	o->cgroup = value;
	return 0;
}

static int set_events(struct options *o, const char *value)
{
	o->events = value;
	return 0;
}

static int set_duration(struct options *o, const char *value)
{
	return duration_parse(value, &o->duration_ns) == 0 && o->duration_ns ? 0 : -1;
}

static int set_speed(struct options *o, const char *value)
{
	char *end = NULL;
	double speed = *value >= '0' && *value <= '9' ? strtod(value, &end) : 0;

	o->speed_given = true;
	o->speed = speed;
	return strcmp(value, "max") == 0 || (end && !*end && speed >= 0.01 && speed <= 1e6) ? 0 : -1;
}

static const char *const color_words[] = {
	[COLOR_AUTO] = "auto",
	[COLOR_ALWAYS] = "always",
	[COLOR_NEVER] = "never",
};

static const char *const sort_words[SORT_KEYS] = {
	[SORT_QUEUE] = "queue", [SORT_PEAK] = "peak",	 [SORT_DROPS] = "drops",
	[SORT_PORT] = "port",	 [SORT_PROCESS] = "process",
};

static const char *const window_words[] = { NULL, "1s", "10s", "1m", "5m", "start" };

#define FILTERED (VIEW_TOP | VIEW_TAIL | VIEW_EXPLAIN | VIEW_RECORD)
#define LISTED (VIEW_LISTENERS | VIEW_DOCTOR)
#define REDRAWN (VIEW_TOP | VIEW_LISTENERS | VIEW_STATS)
#define FED (FILTERED | VIEW_LISTENERS | VIEW_STATS) /* all that read a feed */
#define JSON (VIEW_TAIL | VIEW_EXPLAIN | VIEW_LISTENERS | VIEW_STATS | VIEW_DOCTOR)

#define AT(member) .at = offsetof(struct options, member)

static char events_help[256]; /* of record_types_help() */

static const struct option_row rows[] = {
	{ OPTION_FLAG, 0, "json", NULL,
	  "JSON, an object a line: the records as they came, byte\nfor byte; of explain, the causes",
	  AT(json), .views = JSON },
	{ OPTION_FLAG, 0, "once", NULL, "print it once; else a terminal is redrawn", AT(once),
	  .views = REDRAWN },
	{ OPTION_WORD, 0, "sort", "KEY", "queue (how full), peak, drops, port or process", AT(sort),
	  .views = VIEW_LISTENERS, OPTION_TAKES(sort_words) },
	{ OPTION_VALUE, 0, "from", "FILE", "read a recording, or standard input for -",
	  .views = FED, .set = set_from,
	  .expected = "is no file; give a path, or - for standard input",
	  .complete = COMPLETE_FILES },
	{ OPTION_VALUE, 0, "speed", "N",
	  "of a recording: N times as fast as it was, or max; if not\ngiven 1 in top, max in tail",
	  .views = VIEW_TOP | VIEW_TAIL, .set = set_speed,
	  .expected = "is no speed; use 1, 0.5, 10 (0.01..1000000), or max" },
	{ OPTION_FLAG, 0, "force", NULL, "replace the file if it exists", AT(force),
	  .views = VIEW_RECORD },
	{ OPTION_VALUE, 's', "socket", "PATH",
	  "the daemon's socket; without this option the default is\n"
	  DEFAULT_SOCKET ", and where nothing serves there\n"
	  "a private daemon is started", .set = set_socket,
	  .expected = "is no path; the default is " DEFAULT_SOCKET, .complete = COMPLETE_FILES },
	{ OPTION_FILTER, 0, "port", "LIST", "local or remote port: 443, 80,443 or 8000-8099",
	  AT(filter), .views = FILTERED | LISTED },
	{ OPTION_FILTER, 0, "remote", "CIDR", "remote address: 192.0.2.1, 10.0.0.0/8, 2001:db8::/32",
	  AT(filter), .views = FILTERED },
	{ OPTION_FILTER, 0, "netns", "NETNS", "network namespace: /run/netns/NAME, or an inode number",
	  AT(filter), .views = FILTERED | LISTED | VIEW_STATS, .complete = COMPLETE_FILES },
	{ OPTION_VALUE, 0, "cgroup", "PATH",
	  "processes in this cgroup or below it, such as\n/system.slice/nginx.service",
	  .views = FILTERED | VIEW_LISTENERS, .set = set_cgroup, .complete = COMPLETE_FILES },
	{ OPTION_FILTER, 0, "role", "ROLE", "active (this host sent the SYN) or passive",
	  AT(filter), .views = FILTERED, OPTION_TAKES(role_names) },
	{ OPTION_FILTER, 0, "outcome", "LIST",
	  "established, refused, reset, timeout, unreachable,\n"
	  "cancelled, no_port, overflow; failed: all but the first", AT(filter), .views = FILTERED,
	  OPTION_LISTS(outcome_names), .also = "failed" },
	{ OPTION_FILTER, 0, "slow", "DURATION", "took at least this long: 250us, 10ms, 1.5s",
	  AT(filter), .views = FILTERED },
	{ OPTION_WORDS, 0, "events", "LIST", events_help, AT(event_mask),
	  .views = VIEW_TAIL | VIEW_RECORD, .set = set_events, OPTION_LISTS(record_stream_names) },
	{ OPTION_WORD, 0, "window", "WINDOW", "what is counted: 1s, 10s, 1m, 5m, start; w changes it",
	  AT(window_number), .views = VIEW_TOP, OPTION_TAKES(window_words) },
	{ OPTION_VALUE, 0, "duration", "DURATION", "stop after this long: 30s, 10m", .views = FED,
	  .set = set_duration,
	  .expected = "is no duration above zero; use 30s, 1.5s, 10m or 1h" },
	{ OPTION_WORD, 0, "color", "WHEN", "auto (a terminal and no $NO_COLOR), always, never",
	  AT(color), .views = VIEW_TOP | JSON, OPTION_TAKES(color_words) },
	{ OPTION_FLAG, 0, "no-summary", NULL, "leave out the summary at the end", AT(no_summary),
	  .views = VIEW_TAIL | VIEW_RECORD },
	{ OPTION_WORD, 0, "completion", "SHELL", NULL, AT(completion),
	  OPTION_TAKES(completion_shells) },
	{ OPTION_FLAG, 'h', "help", NULL, "show this", AT(help) },
	{ OPTION_FLAG, 'V', "version", NULL, "show the version", AT(version) },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))
_Static_assert(ROWS <= OPTIONS_MAX, "room in struct option_parser");

const struct option_table *cli_options_table(void)
{
	static const struct option_table table = { rows, ROWS };

	record_types_help(events_help, sizeof(events_help), "types of records");
	return &table;
}

/* What getopt did not take, in one line. `found` is ':' or '?'. */
static void report(const char *view, int found, const char *given)
{
	const struct option_row *row = options_find(cli_options_table(), optopt);

	if (found == ':')
		log_error("option '%s' needs a value: --%s %s", given, row->name, row->arg);
	else if (row)
		log_error("option '--%s' takes no value", row->name);
	else if (optopt)
		log_error("unknown option '-%c'; see tcpshake %s --help", optopt, view);
	else
		log_error("unknown or ambiguous option '%s'; see tcpshake %s --help", given, view);
}

static void report_value(const struct option_row *row, const struct option_fault *fault)
{
	char words[160];

	if (row->kind == OPTION_FILTER)
		log_error("--%s", fault->text);
	else if (row->words)
		log_error("--%s: '%.*s' is unknown; use %s", row->name, fault->len, fault->word,
			  options_words(row, words, sizeof(words)));
	else
		log_error("--%s: '%s' %s", row->name, fault->word, row->expected);
}

/* What is left of argv, and what options say together. */
static enum exit_status check(struct options *o, const struct view *v, int argc, char **argv)
{
	const char *view = v->name, *operand = v->operand;
	bool needs = operand && !o->help && !o->version && !o->completion;
	char error[256];

	if (operand && optind < argc)
		o->file = argv[optind++];
	if (optind < argc) {
		log_error("unexpected argument '%s'; see tcpshake %s --help", argv[optind], view);
		return STATUS_USAGE;
	}
	if (needs && (!o->file || !*o->file)) {
		log_error("the view %s needs a %s; see tcpshake %s --help", view, operand, view);
		return STATUS_USAGE;
	}
	if (o->from && o->socket_given) {
		log_error("--from and --socket are two sources; give one of them");
		return STATUS_USAGE;
	}
	if (o->speed_given && !o->from) {
		log_error("--speed is of a recording; give one with --from");
		return STATUS_USAGE;
	}
	o->filter.recorded = o->from;
	if (o->cgroup && filter_set(&o->filter, "cgroup", o->cgroup, error, sizeof(error)) < 0) {
		log_error("--%s", error);
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

enum exit_status cli_options_parse(struct options *o, const struct view *view, int argc, char **argv)
{
	struct option_parser parser;
	const struct option_row *row;
	struct option_fault fault;

	options_begin(&parser, cli_options_table());
	while ((row = options_next(&parser, argc, argv))) {
		if (!options_apply(row, view->bit)) {
			log_error("the view %s has no option --%s; see tcpshake %s --help", view->name,
				  row->name, view->name);
			return STATUS_USAGE;
		}
		if (options_set(o, row, optarg, &fault) < 0) {
			report_value(row, &fault);
			return STATUS_USAGE;
		}
	}
	if (parser.found != -1) {
		report(view->name, parser.found, argv[optind - 1]);
		return STATUS_USAGE;
	}
	return check(o, view, argc, argv);
}

int cli_options_find_view(int argc, char **argv)
{
	struct option_parser parser;
	char shorts[sizeof(parser.shorts) + 1] = "+"; /* getopt: stop at the first that is no option */
	int at;

	options_begin(&parser, cli_options_table());
	strcat(shorts, parser.shorts);
	while (getopt_long(argc, argv, shorts, parser.longs, NULL) != -1)
		;
	at = optind < argc ? optind : 0;
	optind = 0; /* glibc: begin anew */
	return at;
}

bool cli_options_fit(const struct view *view, int argc, char **argv)
{
	struct option_parser parser;
	const struct option_row *row;

	options_begin(&parser, cli_options_table());
	do
		row = options_next(&parser, argc, argv);
	while (row && options_apply(row, view->bit));
	optind = 0; /* glibc: begin anew */
	return !row && parser.found == -1;
}

void cli_options_free(struct options *o)
{
	filter_free(&o->filter);
}
