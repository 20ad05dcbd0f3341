// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/options.h"
#include "cli/feed/parsed_record.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/duration.h"
#include "common/log.h"
#include "common/names.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct row {
	const char *name;
	char letter; /* of the short form, or 0 */
	const char *arg; /* NULL if it takes none */
	const char *help; /* lines after the first are indented when printed; NULL: hidden */
	/* NULL: there is no value, but a bool in struct options at `flag` to set. */
	int (*set)(struct options *o, const char *name, const char *value, char *error,
		   size_t size);
	size_t flag;
	const char *views; /* those that have it; NULL: all */
};

static int set_from(struct options *o, const char *name, const char *value, char *error,
		    size_t size)
{
	if (!*value) {
		snprintf(error, size, "%s: '' is no file; give a path, or - for standard input",
			 name);
		return -1;
	}
	o->from = value;
	return 0;
}

static int set_socket(struct options *o, const char *name, const char *value, char *error,
		      size_t size)
{
	if (!*value) {
		snprintf(error, size, "%s: '' is no path; the default is %s", name, DEFAULT_SOCKET);
		return -1;
	}
	o->socket = value;
	o->socket_given = true;
	return 0;
}

static int set_filter(struct options *o, const char *name, const char *value, char *error,
		      size_t size)
{
	return filter_set(&o->filter, name, value, error, size);
}

/* What it has to be depends on --from, which may come later. */
static int set_cgroup(struct options *o, const char *name, const char *value, char *error, size_t size)
{
	(void)name;
	(void)error;
	(void)size;
	o->cgroup = value;
	return 0;
}
static const char *const event_words[] = { "handshake", "listener", "overflow", "audit",
					     "accept", "reset", "retransmit" };

/* The types that a feed may leave out; what tells of its gaps and its ends is always shown. */
static int set_events(struct options *o, const char *name, const char *value, char *error,
		      size_t size)
{
	static const enum record_type numbers[] = { RECORD_HANDSHAKE, RECORD_LISTENER,
						    RECORD_OVERFLOW,  RECORD_AUDIT,
						    RECORD_ACCEPT,    RECORD_RESET,
						    RECORD_RETRANSMIT };
	uint32_t mask = 0;

	for (const char *word = value;; word++) {
		size_t len = strcspn(word, ",");
		int type = name_index(event_words, COUNT(event_words), word, len);

		if (type < 0) {
			snprintf(error, size,
				 "%s: '%.*s' is unknown; use a list of handshake, listener, overflow, "
				 "audit, accept, reset and retransmit", name, (int)len, word);
			return -1;
		}
		mask |= 1U << numbers[type];
		word += len;
		if (!*word)
			break;
	}
	o->events = value;
	o->event_mask = mask;
	return 0;
}

static int set_duration(struct options *o, const char *name, const char *value, char *error,
			size_t size)
{
	if (duration_parse(value, &o->duration_ns) == 0 && o->duration_ns)
		return 0;
	snprintf(error, size, "%s: '%s' is no duration above zero; use 30s, 1.5s, 10m or 1h", name,
		 value);
	return -1;
}

static int set_speed(struct options *o, const char *name, const char *value, char *error,
		     size_t size)
{
	char *end = NULL;
	double speed = *value >= '0' && *value <= '9' ? strtod(value, &end) : 0;

	o->speed_given = true;
	o->speed = speed;
	if (strcmp(value, "max") == 0 || (end && !*end && speed >= 0.01 && speed <= 1e6))
		return 0;
	snprintf(error, size, "%s: '%s' is no speed; use 1, 0.5, 10 (0.01..1000000), or max", name,
		 value);
	return -1;
}

static const char *const color_words[] = {
	[COLOR_AUTO] = "auto",
	[COLOR_ALWAYS] = "always",
	[COLOR_NEVER] = "never",
};

static int set_color(struct options *o, const char *name, const char *value, char *error,
		     size_t size)
{
	int mode = name_index(color_words, COUNT(color_words), value, strlen(value));

	if (mode < 0) {
		snprintf(error, size, "%s: '%s' is unknown; use auto, always or never", name,
			 value);
		return -1;
	}
	o->color = (enum color_mode)mode;
	return 0;
}

static const char *const sort_words[] = {
	[SORT_QUEUE] = "queue", [SORT_PEAK] = "peak",	 [SORT_DROPS] = "drops",
	[SORT_PORT] = "port",	 [SORT_PROCESS] = "process",
};

static int set_sort(struct options *o, const char *name, const char *value, char *error,
		    size_t size)
{
	int key = name_index(sort_words, SORT_KEYS, value, strlen(value));

	if (key < 0) {
		snprintf(error, size, "%s: '%s' is unknown; use queue, peak, drops, port or process",
			 name, value);
		return -1;
	}
	o->sort = (enum sort_key)key;
	return 0;
}

static const char *const window_words[] = { "1s", "10s", "1m", "5m", "start" };

static int set_window(struct options *o, const char *name, const char *value, char *error,
		      size_t size)
{
	int window = name_index(window_words, COUNT(window_words), value, strlen(value));

	if (window < 0) {
		snprintf(error, size, "%s: '%s' is unknown; use 1s, 10s, 1m, 5m or start", name, value);
		return -1;
	}
	o->window_number = (unsigned)window + 1;
	return 0;
}

static const char *const shell_words[] = { "bash", "zsh" };

static int set_completion(struct options *o, const char *name, const char *value, char *error,
			  size_t size)
{
	if (name_index(shell_words, COUNT(shell_words), value, strlen(value)) < 0) {
		snprintf(error, size, "%s: '%s' is unknown; use bash or zsh", name, value);
		return -1;
	}
	o->completion = value;
	return 0;
}

#define TAIL "tail"
#define EXPLAIN "explain"
#define TOP "top"
#define RECORD "record"
#define LISTENERS "listeners"
#define FILTERED TOP " " TAIL " " EXPLAIN " " RECORD
#define REDRAWN TOP " listeners stats"
#define FED FILTERED " listeners stats" /* all that read a feed */
#define JSON TAIL " " EXPLAIN " listeners stats doctor"
#define SHOWN TOP " " JSON
#define LISTED LISTENERS " doctor"

static const struct row rows[] = {
	{ "json", 0, NULL, "JSON, an object a line: the records as they came, byte\nfor byte; of explain, the causes", NULL,
	  offsetof(struct options, json), JSON },
	{ "once", 0, NULL, "print it once; else a terminal is redrawn", NULL,
	  offsetof(struct options, once), REDRAWN },
	{ "sort", 0, "KEY", "queue (how full), peak, drops, port or process", set_sort, 0,
	  LISTENERS },
	{ "from", 0, "FILE", "read a recording, or standard input for -", set_from, 0,
	  FED },
	{ "speed", 0, "N", "of a recording: N times as fast as it was, or max; if not\ngiven 1 in top, max in tail", set_speed,
	  0, TOP " " TAIL },
	{ "force", 0, NULL, "replace the file if it exists", NULL, offsetof(struct options, force),
	  RECORD },
	{ "socket", 's', "PATH",
	  "the daemon's socket; without this option the default is\n"
	  DEFAULT_SOCKET ", and where nothing serves there\n"
	  "a private daemon is started", set_socket, 0, NULL },
	{ "port", 0, "LIST", "local or remote port: 443, 80,443 or 8000-8099", set_filter, 0,
	  FILTERED " " LISTED },
	{ "remote", 0, "CIDR", "remote address: 192.0.2.1, 10.0.0.0/8, 2001:db8::/32",
	  set_filter, 0, FILTERED },
	{ "netns", 0, "NETNS", "network namespace: /run/netns/NAME, or an inode number",
	  set_filter, 0, FILTERED " " LISTED " stats" },
	{ "cgroup", 0, "PATH", "processes in this cgroup or below it, such as\n/system.slice/nginx.service", set_cgroup, 0,
	  FILTERED " " LISTENERS },
	{ "role", 0, "ROLE", "active (this host sent the SYN) or passive", set_filter, 0,
	  FILTERED },
	{ "outcome", 0, "LIST",
	  "established, refused, reset, timeout, unreachable,\n"
	  "cancelled, no_port, overflow; failed: all but the first", set_filter, 0, FILTERED },
	{ "slow", 0, "DURATION", "took at least this long: 250us, 10ms, 1.5s", set_filter, 0,
	  FILTERED },
	{ "events", 0, "LIST",
	  "types of records: handshake, listener, overflow, audit,\n"
	  "reset, and if asked for accept, retransmit", set_events, 0, TAIL " " RECORD },
	{ "window", 0, "WINDOW", "what is counted: 1s, 10s, 1m, 5m, start; w changes it", set_window,
	  0, TOP },
	{ "duration", 0, "DURATION", "stop after this long: 30s, 10m", set_duration, 0, FED },
	{ "color", 0, "WHEN", "auto (a terminal and no $NO_COLOR), always, never", set_color, 0,
	  SHOWN },
	{ "no-summary", 0, NULL, "leave out the summary at the end", NULL,
	  offsetof(struct options, no_summary), TAIL " " RECORD },
	{ "completion", 0, "SHELL", NULL, set_completion, 0, NULL },
	{ "help", 'h', NULL, "show this", NULL,
	  offsetof(struct options, help), NULL },
	{ "version", 'V', NULL, "show the version", NULL,
	  offsetof(struct options, version), NULL },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* What shells may suggest: the words that the setters take. */
static const struct completion_value values[] = {
	{ "from", COMPLETE_FILES, NULL, 0, NULL },
	{ "socket", COMPLETE_FILES, NULL, 0, NULL },
	{ "netns", COMPLETE_FILES, NULL, 0, NULL },
	{ "cgroup", COMPLETE_FILES, NULL, 0, NULL },
	{ "role", COMPLETE_WORD, role_names, ROLES, NULL },
	{ "outcome", COMPLETE_LIST, outcome_names, OUTCOMES, "failed" },
	{ "events", COMPLETE_LIST, event_words, COUNT(event_words), NULL },
	{ "sort", COMPLETE_WORD, sort_words, SORT_KEYS, NULL },
	{ "window", COMPLETE_WORD, window_words, COUNT(window_words), NULL },
	{ "color", COMPLETE_WORD, color_words, COUNT(color_words), NULL },
	{ 0 },
};

#define LONG_BASE 256 /* above every letter: getopt's value of rows[i] is LONG_BASE + i */

static void build_tables(struct option *longs, char *shorts)
{
	*shorts++ = ':'; /* tell a missing argument from an unknown option */
	for (size_t i = 0; i < ROWS; i++) {
		longs[i] = (struct option){
			.name = rows[i].name,
			.has_arg = rows[i].arg ? required_argument : no_argument,
			.val = LONG_BASE + (int)i,
		};
		if (!rows[i].letter)
			continue;
		*shorts++ = rows[i].letter;
		if (rows[i].arg)
			*shorts++ = ':';
	}
	longs[ROWS] = (struct option){ 0 };
	*shorts = '\0';
}

static const struct row *find_row(int value)
{
	for (size_t i = 0; i < ROWS; i++)
		if (value == LONG_BASE + (int)i || (value && value == rows[i].letter))
			return &rows[i];
	return NULL;
}

static bool applies(const struct row *row, const char *view)
{
	return !row->views || !view || strstr(row->views, view);
}

/* What getopt did not take, in one line. `found` is ':' or '?'. */
static void report(const char *view, int found, const char *given)
{
	const struct row *row = find_row(optopt);

	if (found == ':')
		log_error("option '%s' needs a value: --%s %s", given, row->name, row->arg);
	else if (row)
		log_error("option '--%s' takes no value", row->name);
	else if (optopt)
		log_error("unknown option '-%c'; see tcpshake %s --help", optopt, view);
	else
		log_error("unknown or ambiguous option '%s'; see tcpshake %s --help", given, view);
}

/* What is left of argv, and what options say together. */
static enum exit_status check(struct options *o, const char *view, const char *operand, int argc,
			      char **argv)
{
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

enum exit_status cli_options_parse(struct options *o, const char *view, const char *operand,
				   int argc, char **argv)
{
	struct option longs[ROWS + 1];
	char shorts[2 * ROWS + 2], error[256];
	int found;

	build_tables(longs, shorts);
	opterr = 0;
	while ((found = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct row *row = found == ':' || found == '?' ? NULL : find_row(found);

		if (!row) {
			report(view, found, argv[optind - 1]);
			return STATUS_USAGE;
		}
		if (!applies(row, view)) {
			log_error("the view %s has no option --%s; see tcpshake %s --help", view,
				  row->name, view);
			return STATUS_USAGE;
		}
		if (!row->set)
			*(bool *)((char *)o + row->flag) = true;
		else if (row->set(o, row->name, optarg, error, sizeof(error)) < 0) {
			log_error("--%s", error);
			return STATUS_USAGE;
		}
	}
	return check(o, view, operand, argc, argv);
}

int cli_options_find_view(int argc, char **argv)
{
	struct option longs[ROWS + 1];
	char shorts[2 * ROWS + 3] = "+"; /* getopt: stop at the first that is no option */
	int at;

	build_tables(longs, shorts + 1);
	opterr = 0;
	while (getopt_long(argc, argv, shorts, longs, NULL) != -1)
		;
	at = optind < argc ? optind : 0;
	optind = 0; /* glibc: begin anew */
	return at;
}

bool cli_options_fit(const char *view, int argc, char **argv)
{
	struct option longs[ROWS + 1];
	char shorts[2 * ROWS + 2];
	bool fit = true;
	int found;

	build_tables(longs, shorts);
	opterr = 0;
	while (fit && (found = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct row *row = found == ':' || found == '?' ? NULL : find_row(found);

		fit = row && applies(row, view);
	}
	optind = 0; /* glibc: begin anew */
	return fit;
}

void cli_options_free(struct options *o)
{
	filter_free(&o->filter);
}

void cli_options_print(const char *view)
{
	for (size_t i = 0; i < ROWS; i++) {
		char left[40], letter[8] = "   ";
		const char *help = rows[i].help;

		if (!help || !applies(&rows[i], view))
			continue;
		if (rows[i].letter)
			snprintf(letter, sizeof(letter), "-%c,", rows[i].letter);
		snprintf(left, sizeof(left), "%s --%s%s%s", letter, rows[i].name,
			 rows[i].arg ? " " : "", rows[i].arg ? rows[i].arg : "");
		for (;;) {
			int len = (int)strcspn(help, "\n");

			printf("  %-23s %.*s\n", left, len, help);
			if (!help[len])
				break;
			help += len + 1;
			left[0] = '\0';
		}
	}
}

size_t cli_options_list(const char *view, struct completion_option *options)
{
	size_t count = 0;

	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].help && applies(&rows[i], view))
			options[count++] = (struct completion_option){
				.name = rows[i].name,
				.letter = rows[i].letter,
				.metavar = rows[i].arg,
				.help = rows[i].help,
				.value = completion_find(values, rows[i].name),
			};
	return count;
}
