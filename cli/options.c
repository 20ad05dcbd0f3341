// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/completion.h"
#include "common/duration.h"
#include "common/log.h"
#include "common/moment.h"
#include "common/names.h"
#include "common/option_table.h"
#include "common/record_type.h"
#include "common/size.h"

#define A_MOMENT "is no time; use 2026-11-20T10:47:46Z, 10:47 or, for ten minutes ago, 10m"
#define A_SPAN "is no duration from 1s to 1h; use 60s or 5m"
#define KEEP_MIN_BYTES (1ULL << 20) /* as the daemon's --output-max: below it there is more renaming than writing */

static int set_from(struct options *o, const char *value)
{
	if (!*value || o->from_count == FROM_MAX)
		return -1;
	o->froms[o->from_count++] = value;
	o->from = o->froms[0];
	return 0;
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

static int set_output(struct options *o, const char *value)
{
	o->output = value;
	return *value ? 0 : -1;
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

static int set_since(struct options *o, const char *value)
{
	return moment_parse(value, o->now_ns, &o->since_ns);
}

static int set_until(struct options *o, const char *value)
{
	return moment_parse(value, o->now_ns, &o->until_ns);
}

static int set_keep(struct options *o, const char *value)
{
	return size_parse(value, &o->keep_bytes) == 0 && o->keep_bytes >= KEEP_MIN_BYTES ? 0 : -1;
}

static int set_trigger(struct options *o, const char *value)
{
	if (o->trigger_count == TRIGGERS_MAX)
		return -1;
	o->triggers[o->trigger_count++] = value;
	return 0;
}

static int set_span(const char *value, uint64_t *ns)
{
	return duration_parse(value, ns) == 0 && *ns >= NSEC_PER_SEC && *ns <= 3600 * NSEC_PER_SEC ? 0 : -1;
}

static int set_before(struct options *o, const char *value)
{
	return set_span(value, &o->before_ns);
}

static int set_after(struct options *o, const char *value)
{
	return set_span(value, &o->after_ns);
}

static int set_then(struct options *o, const char *value)
{
	o->then = value;
	return *value ? 0 : -1;
}

static int set_speed(struct options *o, const char *value)
{
	char *end = NULL;
	double speed = *value >= '0' && *value <= '9' ? strtod(value, &end) : 0;

	o->speed_given = true;
	o->speed = speed;
	return strcmp(value, "max") == 0 || (end && !*end && speed >= 0.01 && speed <= 1e6) ? 0 : -1;
}

static int set_patience(struct options *o, const char *value)
{
	char *end = NULL;

	o->patience = *value >= '0' && *value <= '9' ? strtod(value, &end) : 0;
	return end && !*end && o->patience >= 0.01 && o->patience <= 1000 ? 0 : -1;
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

static const char *const states_sort_words[SORT_KEYS] = {
	[SORT_LIMIT] = "limit", [SORT_CLOSE_WAIT] = "close_wait", [SORT_TIME_WAIT] = "time_wait",
	[SORT_SOCKETS] = "sockets",
};

static const char *const by_words[] = { "owner", "listener", "destination", "netns" };

static const char *const window_words[] = { NULL, "1s", "10s", "1m", "5m", "start" };

#define FILTERED (VIEW_TOP | VIEW_TAIL | VIEW_EXPLAIN | VIEW_REPORT | VIEW_RECORD)
#define LISTED (VIEW_LISTENERS | VIEW_DOCTOR | VIEW_STATES)
#define REDRAWN (VIEW_TOP | VIEW_LISTENERS | VIEW_STATS | VIEW_STATES)
#define FED (FILTERED | VIEW_LISTENERS | VIEW_STATS) /* all that read a feed */
#define JSON (VIEW_TAIL | VIEW_EXPLAIN | VIEW_LISTENERS | VIEW_STATS | VIEW_DOCTOR | VIEW_LAB | VIEW_STATES)

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
	{ OPTION_WORD, 0, "sort", "KEY", "of states: limit (how near), close_wait, time_wait or\nsockets", AT(sort),
	  .views = VIEW_STATES, OPTION_TAKES(states_sort_words) },
	{ OPTION_WORDS, 0, "by", "LIST", "only these tables: owner, listener, destination, netns",
	  AT(by_mask), .views = VIEW_STATES, OPTION_LISTS(by_words) },
	{ OPTION_VALUE, 0, "from", "FILE",
	  "read a recording, a directory of record --keep, or\nstandard input for -; if given several times (up to 64)\n"
	  "they are read as one",
	  .views = FED, .set = set_from,
	  .expected = "is no file, or one too many; give a path, or - for standard input, up to 64 times",
	  .complete = COMPLETE_FILES },
	{ OPTION_VALUE, 0, "since", "TIME",
	  "of a recording: from then on; 2026-11-20T10:47Z, 10:47,\nor 10m for ten minutes ago",
	  .views = FED, .set = set_since, .expected = A_MOMENT },
	{ OPTION_VALUE, 0, "until", "TIME", "of a recording: up to then", .views = FED, .set = set_until,
	  .expected = A_MOMENT },
	{ OPTION_VALUE, 0, "speed", "N",
	  "of a recording: N times as fast as it was, or max; if not\ngiven 1 in top, max in tail",
	  .views = VIEW_TOP | VIEW_TAIL, .set = set_speed,
	  .expected = "is no speed; use 1, 0.5, 10 (0.01..1000000), or max" },
	{ OPTION_VALUE, 'o', "output", "FILE", "the page; - is standard output", .views = VIEW_REPORT, .set = set_output,
	  .expected = "is no file; give a path, or - for standard output", .complete = COMPLETE_FILES },
	{ OPTION_FLAG, 0, "force", NULL, "replace the file if it exists", AT(force),
	  .views = VIEW_RECORD | VIEW_REPORT },
	{ OPTION_VALUE, 0, "keep", "SIZE",
	  "the latest records in segments of the directory DIR,\nSIZE of them (1M, 256M, 4G): the oldest is dropped",
	  .views = VIEW_RECORD, .set = set_keep, .expected = "is no size from 1M on; use 256M or 4G" },
	{ OPTION_VALUE, 0, "trigger", "EXPR",
	  "with --keep: keep an incident when it holds: overflow,\n\"outcome=failed rate>10/s\", \"p99>100ms for 10s\"; several\n"
	  "times: when one of them does",
	  .views = VIEW_RECORD, .set = set_trigger, .expected = "is one too many; give 16 at most" },
	{ OPTION_VALUE, 0, "before", "DURATION", "what an incident has of the time before; 60s if not given",
	  .views = VIEW_RECORD, .set = set_before, .expected = A_SPAN },
	{ OPTION_VALUE, 0, "after", "DURATION", "and after it; 30s if not given", .views = VIEW_RECORD,
	  .set = set_after, .expected = A_SPAN },
	{ OPTION_VALUE, 0, "then", "COMMAND", "run it after each incident, with its FILE and CAUSE", .views = VIEW_RECORD,
	  .set = set_then, .expected = "is no program", .complete = COMPLETE_FILES },
	{ OPTION_FLAG, 0, "list", NULL, "the scenarios that there are, each with what it is about",
	  AT(list), .views = VIEW_LAB },
	{ OPTION_FLAG, 0, "all", NULL, "run all of them, one after the other", AT(all),
	  .views = VIEW_LAB },
	{ OPTION_FLAG, 0, "step", NULL, "after each statement wait for a key (Enter)", AT(step),
	  .views = VIEW_LAB },
	{ OPTION_VALUE, 0, "patience", "N",
	  "wait N times as long for what `expect` expects: on a slow\nmachine 5, or 0.2 to fail soon",
	  .views = VIEW_LAB, .set = set_patience, .expected = "is no factor; use 2, 0.5 (0.01..1000)" },
	{ OPTION_VALUE, 's', "socket", "PATH",
	  "the daemon's socket; without this option the default is\n"
	  DEFAULT_SOCKET ", and where nothing serves there\n"
	  "a private daemon is started", .views = FED | VIEW_DOCTOR, .set = set_socket,
	  .expected = "is no path; the default is " DEFAULT_SOCKET, .complete = COMPLETE_FILES },
	{ OPTION_FILTER, 0, "port", "LIST", "local or remote port: 443, 80,443 or 8000-8099",
	  AT(filter), .views = FILTERED | LISTED },
	{ OPTION_FILTER, 0, "remote", "CIDR", "remote address: 192.0.2.1, 10.0.0.0/8, 2001:db8::/32",
	  AT(filter), .views = FILTERED | VIEW_STATES },
	{ OPTION_FILTER, 0, "netns", "NETNS", "network namespace: /run/netns/NAME, or an inode number",
	  AT(filter), .views = FILTERED | LISTED | VIEW_STATS, .complete = COMPLETE_FILES },
	{ OPTION_VALUE, 0, "cgroup", "PATH",
	  "processes in this cgroup or below it, such as\n/system.slice/nginx.service",
	  .views = FILTERED | VIEW_LISTENERS | VIEW_STATES, .set = set_cgroup, .complete = COMPLETE_FILES },
	{ OPTION_FILTER, 0, "role", "ROLE", "active (this host sent the SYN) or passive",
	  AT(filter), .views = FILTERED, OPTION_TAKES(role_names) },
	{ OPTION_FILTER, 0, "outcome", "LIST",
	  "established, refused, reset, timeout, unreachable,\n"
	  "cancelled, no_port, overflow, denied; failed: all but the first", AT(filter), .views = FILTERED,
	  OPTION_LISTS(outcome_names), .also = "failed" },
	{ OPTION_FILTER, 0, "slow", "DURATION", "took at least this long: 250us, 10ms, 1.5s",
	  AT(filter), .views = FILTERED },
	{ OPTION_WORDS, 0, "events", "LIST", events_help, AT(event_mask),
	  .views = VIEW_TAIL | VIEW_RECORD, .set = set_events, OPTION_LISTS(record_stream_names) },
	{ OPTION_WORD, 0, "window", "WINDOW", "what is counted: 1s, 10s, 1m, 5m, start; w changes it",
	  AT(window_number), .views = VIEW_TOP, OPTION_TAKES(window_words) },
	{ OPTION_VALUE, 0, "duration", "DURATION", "stop after this long: 30s, 10m", .views = FED | VIEW_STATES,
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

static unsigned standard_inputs(const struct options *o)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < o->from_count; i++)
		count += strcmp(o->froms[i], "-") == 0;
	return count;
}

static enum exit_status check_times(const struct options *o)
{
	if ((o->since_ns || o->until_ns) && !o->from) {
		log_error("--since and --until are of a recording; give one with --from");
		return STATUS_USAGE;
	}
	if (o->until_ns && o->until_ns < o->since_ns) {
		log_error("--until is before --since");
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

static enum exit_status check_ring(const struct options *o)
{
	if (o->keep_bytes && (o->force || (o->file && strcmp(o->file, "-") == 0))) {
		log_error("--keep is for a directory: %s", o->force ? "--force has no meaning there" : "name one");
		return STATUS_USAGE;
	}
	if (o->trigger_count && !o->keep_bytes) {
		log_error("--trigger keeps what is in a ring; give its size with --keep");
		return STATUS_USAGE;
	}
	if (!o->trigger_count && (o->before_ns || o->after_ns || o->then)) {
		log_error("--before, --after and --then are of an incident; say with --trigger what is one");
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

/* What is left of argv, and what options say together. */
static enum exit_status check(struct options *o, const struct view *v, int argc, char **argv)
{
	const char *view = v->name, *operand = v->operand;
	bool needs = operand && operand[0] != '[' && !o->help && !o->version && !o->completion;
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
	if (v->bit == VIEW_REPORT && !o->output && !o->help && !o->version && !o->completion) {
		log_error("the view %s needs -o FILE; see tcpshake %s --help", view, view);
		return STATUS_USAGE;
	}
	if (o->from && o->socket_given) {
		log_error("--from and --socket are two sources; give one of them");
		return STATUS_USAGE;
	}
	if (check_times(o) != STATUS_OK || check_ring(o) != STATUS_OK)
		return STATUS_USAGE;
	if (o->speed_given && !o->from) {
		log_error("--speed is of a recording; give one with --from");
		return STATUS_USAGE;
	}
	if (standard_inputs(o) > 1) {
		log_error("--from - is given twice, and there is one standard input; give files or pipes");
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

	o->now_ns = clock_mono_ns() + (uint64_t)clock_real_offset_ns();
	options_begin(&parser, cli_options_table());
	while ((row = options_next(&parser, argc, argv))) {
		row = options_of_view(parser.table, row, view->bit);
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
	while (row && options_apply(options_of_view(parser.table, row, view->bit), view->bit));
	optind = 0; /* glibc: begin anew */
	return !row && parser.found == -1;
}

void cli_options_free(struct options *o)
{
	filter_free(&o->filter);
}
