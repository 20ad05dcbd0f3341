// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/command_line.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/completion.h"
#include "common/duration.h"
#include "common/log.h"
#include "common/names.h"
#include "common/record_type.h"

static int set_output(struct options *o, const char *value)
{
	if (!*value)
		return -1;
	o->output = strcmp(value, "none") == 0 ? NULL : value;
	return 0;
}

static int set_socket(struct options *o, const char *value)
{
	if (!*value)
		return -1;
	o->socket = strcmp(value, "none") == 0 ? NULL : value;
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

static const char *const accept_wait_words[] = {
	[ACCEPT_WAIT_AUTO] = "auto",
	[ACCEPT_WAIT_FUNCTION] = "function",
	[ACCEPT_WAIT_SYSCALL] = "syscall",
	[ACCEPT_WAIT_OFF] = "off",
};

static int set_accept_wait(struct options *o, const char *value)
{
	int i = name_index(accept_wait_words, sizeof(accept_wait_words) / sizeof(*accept_wait_words),
			   value, strlen(value));

	if (i < 0)
		return -1;
	o->accept_wait = (enum accept_wait)i;
	return 0;
}

static int set_events(struct options *o, const char *value)
{
	o->events_given = true;
	return record_types_parse(value, &o->events) ? -1 : 0;
}

static int set_completion(struct options *o, const char *value)
{
	o->completion = value;
	return strcmp(value, "bash") == 0 || strcmp(value, "zsh") == 0 ? 0 : -1;
}

/* Options with a `set` take a value; the filters go by their long name to common/filter. */
static const struct {
	char letter;
	const char *name;
	const char *metavar;
	int (*set)(struct options *o, const char *value);
	const char *expected;
	const char *help;
} table[] = {
	{ 'o', "output", "FILE|-|none", set_output, "FILE, - or none",
	  "append records to FILE, or - for standard output\n(default -); SIGHUP opens FILE again" },
	{ 's', "socket", "PATH|none", set_socket, "PATH or none",
	  "serve subscribers at this Unix socket\n(default " DEFAULT_SOCKET ")" },
	{ 'm', "metrics", "ADDR:PORT", set_metrics, "a numeric address and a port, such as 127.0.0.1:9469",
	  "serve metrics for Prometheus at http://ADDR:PORT/metrics\n(off by default; without ADDR: 127.0.0.1)" },
	{ 'd', "duration", "DURATION", set_duration, "a duration above 0, such as 500ms, 10s or 2m",
	  "stop by itself after so long" },
	{ 0, "port", "N[,N-M]", NULL, NULL, "stream only handshakes with this local or remote port" },
	{ 0, "remote", "CIDR", NULL, NULL, "… with this remote address or network" },
	{ 0, "netns", "PATH|INODE", NULL, NULL, "… in this network namespace" },
	{ 0, "cgroup", "PATH", NULL, NULL, "… of processes in this cgroup (cgroup2) or below it" },
	{ 0, "role", "ROLE", NULL, NULL, "… of this role: active or passive" },
	{ 0, "outcome", "LIST", NULL, NULL,
	  "… that ended so: established, refused, reset, timeout,\n"
	  "unreachable, cancelled, no_port, overflow, or failed" },
	{ 0, "slow", "DURATION", NULL, NULL, "… that took at least so long, such as 250us or 10ms" },
	{ 0, "events", "LIST", set_events, "a list of handshake, listener, overflow, audit, reset,\nretransmit and accept",
	  "stream only these records: handshake, listener, overflow,\naudit, reset, retransmit, accept (default: all but the\nlast two)" },
	{ 0, "max-rate", "N", set_max_rate, "a number of records a second above 0",
	  "stream at most N handshakes a second; the rest is counted\nand told as a loss" },
	{ 0, "accept-wait", "HOW", set_accept_wait, "auto, function, syscall or off",
	  "see accept(): by its function, by its system calls (slows\nevery system call a little), "
	  "or off; auto (the default):\nby the function, if accept records are wanted" },
	{ 'i', "listener-interval", "DURATION", set_listener_interval,
	  "a duration of at least 10ms, such as 500ms or 5s",
	  "look at the listeners' queues so often (default 1s, or less\noften where that takes more than 1 % of a CPU)" },
	{ 'p', "probe", NULL, NULL, NULL, "print what this kernel offers and exit" },
	{ 'v', "verbose", NULL, NULL, NULL, "say more on standard error" },
	{ 'V', "version", NULL, NULL, NULL, "print the version and exit" },
	{ 0, "completion", "SHELL", set_completion, "bash or zsh", NULL },
	{ 'h', "help", NULL, NULL, NULL, "print this help and exit" },
};

#define OPTIONS (sizeof(table) / sizeof(*table))

static bool is_hidden(size_t i)
{
	return !table[i].help;
}

static void print_completion(const char *shell)
{
	const struct completion_value values[] = {
		{ "output", COMPLETE_FILES, NULL, 0, NULL },
		{ "socket", COMPLETE_FILES, NULL, 0, NULL },
		{ "netns", COMPLETE_FILES, NULL, 0, NULL },
		{ "role", COMPLETE_WORD, role_names, ROLES, NULL },
		{ "outcome", COMPLETE_LIST, outcome_names, OUTCOMES, "failed" },
		{ "events", COMPLETE_LIST, record_stream_names, RECORD_TYPES, NULL },
		{ "accept-wait", COMPLETE_WORD, accept_wait_words,
		  sizeof(accept_wait_words) / sizeof(*accept_wait_words), NULL },
		{ 0 },
	};
	struct completion_option options[OPTIONS];
	struct completion_command all = { .name = "", .options = options };

	for (size_t i = 0; i < OPTIONS; i++)
		if (!is_hidden(i))
			options[all.count++] = (struct completion_option){
				.name = table[i].name,
				.letter = table[i].letter,
				.metavar = table[i].metavar,
				.help = table[i].help,
				.value = completion_find(values, table[i].name),
			};
	completion_print(stdout, shell, "tcpshaked", &all, 1);
}

#define LONG_ONLY 256 /* + index: what getopt_long() returns for an option without a letter */

static void print_help(void)
{
	printf("usage: tcpshaked [options]\n\n"
	       "Watch every TCP handshake of this host and emit one JSON record for each.\n\n");
	for (size_t i = 0; i < OPTIONS; i++) {
		const char *help = table[i].help, *line_end;
		char left[64], letter[8] = "   ";

		if (is_hidden(i))
			continue;
		if (table[i].letter)
			snprintf(letter, sizeof(letter), "-%c,", table[i].letter);
		snprintf(left, sizeof(left), "  %s --%s %s", letter, table[i].name,
			 table[i].metavar ? table[i].metavar : "");
		while ((line_end = strchr(help, '\n'))) {
			printf("%-32s %.*s\n", left, (int)(line_end - help), help);
			help = line_end + 1;
			left[0] = '\0';
		}
		printf("%-32s %s\n", left, help);
	}
	printf("\nFilters apply to the stream; the totals in `bye` count everything.\n"
	       "Exit status: 0 stopped as asked, 1 run-time error, 2 usage error.\n"
	       "See tcpshaked(8), and tcpshake(1) for the live view.\n");
}

static void build_getopt(struct option *longs, char *shorts)
{
	*shorts++ = ':'; /* tell a missing value from an unknown option */
	for (size_t i = 0; i < OPTIONS; i++) {
		longs[i] = (struct option){
			.name = table[i].name,
			.has_arg = table[i].metavar ? required_argument : no_argument,
			.val = LONG_ONLY + (int)i,
		};
		if (table[i].letter) {
			*shorts++ = table[i].letter;
			if (table[i].metavar)
				*shorts++ = ':';
		}
	}
	*shorts = '\0';
}

static int option_index(int c)
{
	if (c >= LONG_ONLY)
		return c - LONG_ONLY;
	for (size_t i = 0; i < OPTIONS; i++)
		if (table[i].letter == c)
			return (int)i;
	return -1;
}

static enum parsed usage_error(int c, char **argv)
{
	if (c == ':')
		log_error("%s needs a value: see tcpshaked --help", argv[optind - 1]);
	else if (optopt && optopt < LONG_ONLY)
		log_error("unknown option -%c: see tcpshaked --help", optopt);
	else
		log_error("%s is not an option here: see tcpshaked --help", argv[optind - 1]);
	return PARSED_ERROR;
}

static enum parsed apply(struct options *o, int index, const char *value)
{
	const char *name = table[index].name;
	char error[256];

	if (table[index].set) {
		if (!table[index].set(o, value))
			return PARSED_RUN;
		log_error("--%s %s: expected %s", name, value, table[index].expected);
		return PARSED_ERROR;
	}
	if (table[index].metavar) {
		if (!filter_set(&o->filter, name, value, error, sizeof(error)))
			return PARSED_RUN;
		log_error("%s", error);
		return PARSED_ERROR;
	}
	if (strcmp(name, "help") == 0) {
		print_help();
		return PARSED_DONE;
	}
	if (strcmp(name, "version") == 0) {
		printf("tcpshaked %s\n", TCPSHAKE_VERSION);
		return PARSED_DONE;
	}
	o->probe |= strcmp(name, "probe") == 0;
	o->verbose |= strcmp(name, "verbose") == 0;
	return PARSED_RUN;
}

enum parsed options_parse(struct options *o, int argc, char **argv)
{
	struct option longs[OPTIONS + 1] = {};
	char shorts[2 * OPTIONS + 2];
	int c;

	*o = (struct options){ .output = "-", .socket = DEFAULT_SOCKET,
			       .listener_interval_ns = NSEC_PER_SEC, .events = STREAM_RECORDS & ~OPTIONAL_RECORDS };
	build_getopt(longs, shorts);
	opterr = 0;
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		enum parsed parsed;

		if (c == '?' || c == ':')
			return usage_error(c, argv);
		parsed = apply(o, option_index(c), optarg);
		if (parsed != PARSED_RUN)
			return parsed;
	}
	if (optind < argc) {
		log_error("unexpected argument %s: see tcpshaked --help", argv[optind]);
		return PARSED_ERROR;
	}
	if (o->completion) {
		print_completion(o->completion);
		return PARSED_DONE;
	}
	/* To ask how accept() is seen is to want its records; not to want them is not to look. */
	if (!o->events_given &&
	    (o->accept_wait == ACCEPT_WAIT_FUNCTION || o->accept_wait == ACCEPT_WAIT_SYSCALL))
		o->events |= 1U << RECORD_ACCEPT;
	if (!(o->events & (1U << RECORD_ACCEPT)))
		o->accept_wait = ACCEPT_WAIT_OFF;
	if (!o->output && !o->socket && !o->metrics.port && !o->probe) {
		log_error("-o none and -s none leave nobody to write to: give one of them, or --metrics");
		return PARSED_ERROR;
	}
	return PARSED_RUN;
}
