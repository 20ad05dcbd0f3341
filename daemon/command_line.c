// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/command_line.h"

#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/completion.h"
#include "common/duration.h"
#include "common/log.h"
#include "common/names.h"
#include "common/option_table.h"
#include "common/record_type.h"
#include "common/size.h"
#include "daemon/output/rotation.h"

static int set_output(struct options *o, const char *value)
{
	if (!*value)
		return -1;
	o->output = strcmp(value, "none") == 0 ? NULL : value;
	return 0;
}

static int set_output_max(struct options *o, const char *value)
{
	return size_parse(value, &o->output_max) == 0 && o->output_max >= ROTATION_MIN_BYTES ? 0 : -1;
}

static int set_output_keep(struct options *o, const char *value)
{
	char *end;
	unsigned long keep = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || !keep || keep > ROTATION_MAX_KEEP)
		return -1;
	o->output_keep = (unsigned)keep;
	return 0;
}

static int set_socket(struct options *o, const char *value)
{
	if (!*value)
		return -1;
	o->socket = strcmp(value, "none") == 0 ? NULL : value;
	return 0;
}

/* A group whose name is a number is found by its name, as chgrp(1) does. */
static int set_socket_group(struct options *o, const char *value)
{
	const struct group *group = *value ? getgrnam(value) : NULL;
	char *end;
	unsigned long number = strtoul(value, &end, 10);

	if (!group && (*value < '0' || *value > '9' || *end || number >= GROUP_UNCHANGED))
		return -1;
	o->socket_group = value;
	o->socket_gid = group ? group->gr_gid : (gid_t)number;
	return 0;
}

static int set_metrics(struct options *o, const char *value)
{
	return metrics_parse_address(value, &o->metrics);
}

static int set_max_rate(struct options *o, const char *value)
{
	char *end;
	unsigned long rate = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || !rate || rate > 1000000000)
		return -1;
	o->filter.stream.max_rate = (uint32_t)rate;
	return 0;
}

static const char *const limit_words[EVENT_KINDS] = {
	[EVENT_HANDSHAKE] = "failed",
	[EVENT_LISTENER] = "listener",
	[EVENT_OVERFLOW] = "overflow",
	[EVENT_ACCEPT] = "accept",
	[EVENT_RESET] = "reset",
	[EVENT_RETRANSMIT] = "retransmit",
	[EVENT_DROP] = "drop",
	[EVENT_CLOSE] = "close",
};

/* What a stranger can cause is limited; connections that are taken are what the host is there for. */
static const uint32_t default_limits[EVENT_KINDS] = {
	[EVENT_HANDSHAKE] = 1000,
	[EVENT_LISTENER] = 10000,
	[EVENT_OVERFLOW] = 1000,
	[EVENT_RESET] = 1000,
	[EVENT_RETRANSMIT] = 20000,
	[EVENT_DROP] = 1000,
	[EVENT_CLOSE] = 20000,
};

/* "overflow=500,reset=0" */
static int set_limit(struct options *o, const char *value)
{
	for (const char *part = value;; part++) {
		size_t len = strcspn(part, "=");
		int kind = name_index(limit_words, EVENT_KINDS, part, len);
		unsigned long most;
		char *end;

		if (kind < 0 || part[len] != '=' || part[len + 1] < '0' || part[len + 1] > '9')
			return -1;
		most = strtoul(part + len + 1, &end, 10);
		if (most > 1000000000 || (*end && *end != ','))
			return -1;
		o->filter.stream.most[kind] = (uint32_t)most;
		part = end;
		if (!*part)
			return 0;
	}
}

static int set_duration(struct options *o, const char *value)
{
	return duration_parse(value, &o->duration_ns) || !o->duration_ns ? -1 : 0;
}

static int set_listener_interval(struct options *o, const char *value)
{
	o->listener_interval_given = true;
	return duration_parse(value, &o->listener_interval_ns) ||
			       o->listener_interval_ns < 10 * 1000000 ?
		       -1 :
		       0;
}

static const char *const observe_words[] = {
	[OBSERVE_AUTO] = "auto",
	[OBSERVE_FUNCTION] = "function",
	[OBSERVE_SYSCALL] = "syscall",
	[OBSERVE_OFF] = "off",
};

static int set_events(struct options *o, const char *value)
{
	(void)value;
	o->events_given = true;
	return 0;
}

#define AT(member) .at = offsetof(struct options, member)

static char events_help[256]; /* of record_types_help() */

static const struct option_row rows[] = {
	{ OPTION_VALUE, 'o', "output", "FILE|-|none",
	  "append records to FILE, or - for standard output\n(default -); SIGHUP opens FILE again",
	  .set = set_output, .expected = "FILE, - or none", .complete = COMPLETE_FILES },
	{ OPTION_VALUE, 0, "output-max", "SIZE",
	  "when FILE would grow above SIZE, such as 512M, rename it to\nFILE.1, FILE.1 to FILE.2 and so on, and begin anew",
	  .set = set_output_max, .expected = "a size from 1M on, such as 512M or 2G" },
	{ OPTION_VALUE, 0, "output-keep", "N", "keep FILE.1 to FILE.N (default 1); the oldest goes",
	  .set = set_output_keep, .expected = "a number of files from 1 to 9999" },
	{ OPTION_VALUE, 's', "socket", "PATH|none",
	  "serve subscribers at this Unix socket\n(default " DEFAULT_SOCKET ")",
	  .set = set_socket, .expected = "PATH or none", .complete = COMPLETE_FILES },
	{ OPTION_VALUE, 0, "socket-group", "GROUP", "let the members of GROUP use the socket",
	  .set = set_socket_group, .expected = "a group of this host, by its name or number" },
	{ OPTION_VALUE, 'm', "metrics", "ADDR:PORT",
	  "serve metrics for Prometheus at http://ADDR:PORT/metrics\n(off by default; without ADDR: 127.0.0.1)",
	  .set = set_metrics, .expected = "a numeric address and a port, such as 127.0.0.1:9469" },
	{ OPTION_FLAG, 0, "metrics-containers", NULL,
	  "label listeners' metrics with their container, pod and\nnamespace, as far as their names are known",
	  AT(metrics_containers) },
	{ OPTION_VALUE, 'd', "duration", "DURATION", "stop by itself after so long",
	  .set = set_duration,
	  .expected = "a duration above 0, such as 500ms, 10s or 2m" },
	{ OPTION_FILTER, 0, "port", "N[,N-M]", "stream only handshakes with this local or remote port",
	  AT(filter) },
	{ OPTION_FILTER, 0, "remote", "CIDR", "… with this remote address or network", AT(filter) },
	{ OPTION_FILTER, 0, "netns", "PATH|INODE", "… in this network namespace", AT(filter),
	  .complete = COMPLETE_FILES },
	{ OPTION_FILTER, 0, "cgroup", "PATH", "… of processes in this cgroup (cgroup2) or below it",
	  AT(filter) },
	{ OPTION_FILTER, 0, "role", "ROLE", "… of this role: active or passive", AT(filter),
	  OPTION_TAKES(role_names) },
	{ OPTION_FILTER, 0, "outcome", "LIST",
	  "… that ended so: established, refused, reset, timeout,\n"
	  "unreachable, cancelled, no_port, overflow, denied, or failed", AT(filter),
	  OPTION_LISTS(outcome_names), .also = "failed" },
	{ OPTION_FILTER, 0, "slow", "DURATION", "… that took at least so long, such as 250us or 10ms",
	  AT(filter) },
	{ OPTION_WORDS, 0, "events", "LIST", events_help, AT(events), .set = set_events,
	  OPTION_LISTS(record_stream_names) },
	{ OPTION_FLAG, 0, "with-host", NULL,
	  "name the host and the feed in each record, for feeds of\nseveral hosts in one place",
	  AT(with_host) },
	{ OPTION_VALUE, 0, "max-rate", "N",
	  "stream at most N handshakes a second; the rest is counted\nand reported as a loss",
	  .set = set_max_rate, .expected = "a number of records a second above 0" },
	{ OPTION_VALUE, 0, "limit", "KIND=N[,…]",
	  "stream at most N records of a KIND a second, 0: any number;\nthe rest is counted and reported as a loss. "
	  "Kinds, and what\nholds if they are not named: overflow=1000, reset=1000,\ndrop=1000, retransmit=20000, close=20000,\nlistener=10000, "
	  "accept=0 and failed=1000 (passive handshakes that fail)",
	  .set = set_limit, .expected = "a list such as overflow=1000,reset=0 of failed, listener, overflow, accept, "
	  "reset, retransmit, drop and close", OPTION_LISTS(limit_words) },
	{ OPTION_WORD, 0, "accept-wait", "HOW",
	  "see accept(): by its function, by its system calls (slows\nevery system call a little), "
	  "or off; auto (the default):\nby the function, where the kernel lets it be hooked",
	  AT(observe[CALL_ACCEPT]), OPTION_TAKES(observe_words) },
	{ OPTION_WORD, 0, "connect-errors", "HOW",
	  "report each connect() that fails before a SYN, for want of a route\nor of permission: by the functions it comes to, "
	  "by its\nsystem call (slows every system call a little), auto (the\nfirst of the two that works), or off (the default)",
	  AT(observe[CALL_CONNECT]), OPTION_TAKES(observe_words) },
	{ OPTION_VALUE, 'i', "listener-interval", "DURATION",
	  "look at the listeners' queues so often (default 1s, or less\noften where that takes more than 1 % of a CPU)",
	  .set = set_listener_interval,
	  .expected = "a duration of at least 10ms, such as 500ms or 5s" },
	{ OPTION_FLAG, 'p', "probe", NULL, "print what this kernel offers and exit", AT(probe) },
	{ OPTION_FLAG, 'v', "verbose", NULL, "say more on standard error", AT(verbose) },
	{ OPTION_FLAG, 'V', "version", NULL, "print the version and exit", AT(version) },
	{ OPTION_WORD, 0, "completion", "SHELL", NULL, AT(completion),
	  OPTION_TAKES(completion_shells) },
	{ OPTION_FLAG, 'h', "help", NULL, "print this help and exit", AT(help) },
};

static const struct option_table table = { rows, sizeof(rows) / sizeof(rows[0]) };
_Static_assert(sizeof(rows) / sizeof(rows[0]) <= OPTIONS_MAX, "room in struct option_parser");

static void print_help(void)
{
	printf("usage: tcpshaked [options]\n\n"
	       "Watch every TCP handshake of this host and emit one JSON record for each.\n\n");
	options_print_help(&table, 0, 30);
	printf("\nFilters apply to the stream; the totals in `bye` count everything.\n"
	       "Exit status: 0 stopped as asked, 1 run-time error, 2 usage error.\n"
	       "See tcpshaked(8), and tcpshake(1) for the live view.\n");
}

static enum parsed usage_error(int found, char **argv)
{
	if (found == ':')
		log_error("%s needs a value: see tcpshaked --help", argv[optind - 1]);
	else if (optopt && optopt <= UCHAR_MAX)
		log_error("unknown option -%c: see tcpshaked --help", optopt);
	else
		log_error("%s is not an option here: see tcpshaked --help", argv[optind - 1]);
	return PARSED_ERROR;
}

/* Options take effect in their order: --help and --version at once. */
static enum parsed apply(struct options *o, const struct option_row *row, const char *value)
{
	struct option_fault fault;
	char words[160];

	if (options_set(o, row, value, &fault) < 0) {
		if (row->kind == OPTION_FILTER)
			log_error("%s", fault.text);
		else
			log_error("--%s %s: expected %s", row->name, value,
				  row->expected ? row->expected : options_words(row, words, sizeof(words)));
		return PARSED_ERROR;
	}
	if (o->help)
		print_help();
	else if (o->version)
		printf("tcpshaked %s\n", TCPSHAKE_VERSION);
	return o->help || o->version ? PARSED_DONE : PARSED_RUN;
}

/* Only a regular file can be renamed and begun anew; what is at the path may change until it is opened. */
static bool check_bound(struct options *o)
{
	struct stat st;

	if (o->output_keep && !o->output_max) {
		log_error("--output-keep is for --output-max: give a size, too");
		return false;
	}
	if (!o->output_max)
		return true;
	if (!o->output_keep)
		o->output_keep = 1;
	if (!o->output || strcmp(o->output, "-") == 0) {
		log_error("--output-max is for a file: name one with -o");
		return false;
	}
	if (lstat(o->output, &st) == 0 && !S_ISREG(st.st_mode)) {
		log_error("--output-max is for a regular file, which %s is not: name one with -o", o->output);
		return false;
	}
	return true;
}

enum parsed options_parse(struct options *o, int argc, char **argv)
{
	static const struct completion_command all = { .name = "" };
	struct option_parser parser;
	const struct option_row *row;

	*o = (struct options){ .output = "-", .socket = DEFAULT_SOCKET, .socket_gid = GROUP_UNCHANGED,
			       .observe = { [CALL_ACCEPT] = OBSERVE_AUTO, [CALL_CONNECT] = OBSERVE_OFF },
			       .listener_interval_ns = NSEC_PER_SEC, .events = STREAM_RECORDS & ~OPTIONAL_RECORDS };
	memcpy(o->filter.stream.most, default_limits, sizeof(default_limits));
	record_types_help(events_help, sizeof(events_help), "stream only these records");
	options_begin(&parser, &table);
	while ((row = options_next(&parser, argc, argv))) {
		enum parsed parsed = apply(o, row, optarg);

		if (parsed != PARSED_RUN)
			return parsed;
	}
	if (parser.found != -1)
		return usage_error(parser.found, argv);
	if (optind < argc) {
		log_error("unexpected argument %s: see tcpshaked --help", argv[optind]);
		return PARSED_ERROR;
	}
	if (o->completion) {
		completion_print(stdout, o->completion, "tcpshaked", &table, &all, 1);
		return PARSED_DONE;
	}
	/* To ask how accept() is seen is to want its records, unless others are chosen. */
	if (!o->events_given &&
	    (o->observe[CALL_ACCEPT] == OBSERVE_FUNCTION || o->observe[CALL_ACCEPT] == OBSERVE_SYSCALL))
		o->events |= 1U << RECORD_ACCEPT;
	if (!o->output && !o->socket && !o->metrics.port && !o->probe) {
		log_error("-o none and -s none leave nobody to write to: give one of them, or --metrics");
		return PARSED_ERROR;
	}
	if (!check_bound(o))
		return PARSED_ERROR;
	if (o->metrics_containers && !o->metrics.port) {
		log_error("--metrics-containers is for the metrics: give --metrics, too");
		return PARSED_ERROR;
	}
	if (o->socket_group && !o->socket) {
		log_error("--socket-group is for the socket, which -s none leaves out: give one of them");
		return PARSED_ERROR;
	}
	return PARSED_RUN;
}
