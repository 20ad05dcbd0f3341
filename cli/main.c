// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcpshake: shows the TCP handshakes that tcpshaked sees. */
#include "cli/options.h"
#include "cli/top/terminal/guard.h"
#include "cli/view.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/completion.h"
#include "common/log.h"

/* The first is the default on a terminal, the second elsewhere. */
static const struct view views[] = {
	{
		.name = "top",
		.bit = VIEW_TOP,
		.summary = "the live screen: rates, latencies, queues, causes",
		.description =
			"The live screen: how many handshakes, how they ended and how long they took;\n"
			"listeners with their queues, destinations, processes, and the causes of what\n"
			"failed. Keys choose, sort, filter and look closer; ? shows them. With --from a\n"
			"recording is replayed; with --once the state at its end, or after 10 seconds\n"
			"of a live feed, is printed.",
		.examples =
			"  tcpshake                                  this host, live\n"
			"  tcpshake top --port 443 --window 1m\n"
			"  tcpshake top --from feed.ndjson --speed 10\n"
			"  tcpshake top --from feed.ndjson --once    the totals of a recording\n"
			"  tcpshake --outcome failed                 only what failed\n",
		.run = top_run,
	},
	{
		.name = "tail",
		.bit = VIEW_TAIL,
		.summary = "a line for each handshake, as it ends",
		.description =
			"A line for each TCP handshake of this host, as it ends: when, how, after\n"
			"how long, between whom, whose, and what was unusual. Ctrl-C ends with a\n"
			"summary.",
		.examples =
			"  tcpshake tail                             everything, live\n"
			"  tcpshake tail --outcome failed            only what failed\n"
			"  tcpshake tail --port 443 --slow 100ms     slow ones, port 443\n"
			"  tcpshake tail --role passive --remote 10.0.0.0/8\n"
			"  tcpshake tail --json --duration 1m > handshakes.ndjson\n"
			"  tcpshake tail --from handshakes.ndjson --outcome timeout\n"
			"  ssh host tcpshaked | tcpshake tail --from -\n",
		.run = tail_run,
	},
	{
		.name = "listeners",
		.bit = VIEW_LISTENERS,
		.summary = "every listening socket's queues: how full, dropped, whose",
		.description =
			"Every listening socket: whose it is, how full its accept queue is (the bar,\n"
			"with a mark at the peak; it holds one more than its limit), its SYN queue,\n"
			"the kernel's drops, the handshakes refused at the SYN and at the final ACK,\n"
			"and how long the oldest connection has waited for accept(). On a terminal\n"
			"it is redrawn each second; with --from it is the state at the end.",
		.examples =
			"  tcpshake listeners                        live, the fullest first\n"
			"  tcpshake listeners --once --sort drops    once, those that dropped first\n"
			"  tcpshake listeners --port 80,443 --json   the records\n"
			"  tcpshake listeners --from feed.ndjson\n",
		.run = listeners_run,
	},
	{
		.name = "stats",
		.bit = VIEW_STATS,
		.summary = "the totals, and the audit against the kernel's counters",
		.description =
			"The daemon's totals, what was lost, and the last audit of each network\n"
			"namespace: what the kernel counted, what was seen of it, and the rule that\n"
			"explains a difference.",
		.examples =
			"  tcpshake stats --once\n"
			"  tcpshake stats --json --netns /proc/self/ns/net   only the audit of this namespace\n"
			"  tcpshake stats --from feed.ndjson\n",
		.run = stats_run,
	},
	{
		.name = "states",
		.bit = VIEW_STATES,
		.summary = "sockets by state: what is stuck, and which ports are left",
		.description =
			"The TCP sockets that there are now, by state: of each process, listener and\n"
			"destination. CLOSE_WAIT: the peer has closed, and the process has not; OLDEST is\n"
			"how long at least. TIME_WAIT: it holds a local port, and FREED is when the first\n"
			"one is free again; LEFT is how many ports connect() has at most. What is\n"
			"nearest to its limit comes first: open files, the accept queue, local ports.\n"
			"All network namespaces are looked at that can be entered. No daemon is asked.",
		.examples =
			"  tcpshake states                           live, the nearest to its limit first\n"
			"  tcpshake states --once --by owner --sort close_wait\n"
			"  tcpshake states --once --by destination --remote 10.0.0.0/8\n"
			"  tcpshake states --json | jq -c 'select(.by == \"netns\") | .states'\n",
		.run = states_run,
	},
	{
		.name = "explain",
		.bit = VIEW_EXPLAIN,
		.summary = "why handshakes failed or were slow, worst first",
		.description =
			"Why handshakes failed, were retransmitted or were slow: the causes, each with\n"
			"its listener, destination or process, the time it cost, the evidence, what to\n"
			"look at (with the value on this host) and what to do. Ranked by handshakes\n"
			"that failed, then by time lost, then by handshakes harmed, then by SYNs and\n"
			"ACKs refused. A live feed is watched for 10 s or --duration, or until Ctrl-C;\n"
			"a recording is read to its end.",
		.examples =
			"  tcpshake explain                          of the next 10 seconds\n"
			"  tcpshake explain --duration 5m --port 443\n"
			"  tcpshake explain --from feed.ndjson\n"
			"  tcpshake explain --from feed.ndjson --json | head -1   the worst\n"
			"  tcpshake explain --remote 10.0.0.0/8 --role active\n",
		.run = explain_run,
	},
	{
		.name = "report",
		.bit = VIEW_REPORT,
		.summary = "a page about an incident, to be attached to a ticket",
		.description =
			"One HTML file that needs nothing else, no network and no script: what failed,\n"
			"since when, whose, and the first thing to do; rates and outcomes over time, maps\n"
			"of latencies, queues against their limits, the causes of explain, destinations,\n"
			"processes, the audit, and what was not seen. A live feed is watched for 10 s or\n"
			"--duration, or until Ctrl-C; a recording is read to its end.",
		.examples =
			"  tcpshake report --from feed.ndjson.zst -o incident.html\n"
			"  tcpshake report --from feed.ndjson --port 443 -o https.html\n"
			"  tcpshake report --from client.ndjson --from server.ndjson -o both.html\n"
			"  tcpshake report --duration 5m -o now.html\n",
		.run = report_run,
	},
	{
		.name = "record",
		.bit = VIEW_RECORD,
		.operand = "FILE|DIR",
		.summary = "the feed to a file or a ring, to be shown later with --from",
		.description =
			"The records of the feed to FILE, one JSON object a line; - is standard output.\n"
			"A FILE that ends in .gz or .zst is compressed. It holds whole lines at any\n"
			"moment. Ctrl-C ends it, with a summary. With --keep the latest records are\n"
			"kept in a directory, also across ends of the daemon: --from DIR reads them.",
		.examples =
			"  tcpshake record handshakes.ndjson.zst\n"
			"  tcpshake record --duration 1h --outcome failed failed.ndjson.gz\n"
			"  tcpshake tail --from failed.ndjson.gz --speed 10\n"
			"  tcpshake record --from feed.ndjson --port 443 https.ndjson.zst\n"
			"  tcpshake record --keep 256M /var/lib/tcpshake/ring\n"
			"  tcpshake record --keep 256M --trigger overflow /var/lib/tcpshake/ring\n"
			"  tcpshake explain --from /var/lib/tcpshake/ring --since 1h\n"
			"  ssh host tcpshake record - > host.ndjson\n",
		.run = record_run,
	},
	{
		.name = "doctor",
		.bit = VIEW_DOCTOR,
		.summary = "what this host lets be seen, and the sysctls that decide handshakes",
		.description =
			"What this kernel, the daemon's capabilities and the mounts allow: what is\n"
			"missing, what that costs and how to get it. Then the sysctls that decide\n"
			"handshakes, each with a verdict, against what listeners got and what ports\n"
			"are in use. Exit status 1 if no daemon can run here.",
		.examples =
			"  tcpshake doctor\n"
			"  tcpshake doctor --port 443                only these listeners\n"
			"  tcpshake doctor --json | jq -c 'select(.verdict != \"ok\")'\n",
		.run = doctor_run,
	},
	{
		.name = "lab",
		.bit = VIEW_LAB,
		.operand = "[SCENARIO|FILE]",
		.summary = "what listen(), accept(), connect() and close() do on this kernel",
		.description =
			"A scenario, statement by statement, in two network namespaces of its own: each\n"
			"system call with its result and how long it blocked, what the kernel holds then,\n"
			"and the records that came. Needs root. A scenario is one of --list, or a file of\n"
			"your own; a name without / is looked for among the former first. Statements:\n"
			"\n"
			"  NS: NAME = socket inet|inet6|unix stream [mptcp]\n"
			"  NS: bind NAME ADDRESS           10.0.0.2:7000, [fd00::2]:7000, @name (Unix)\n"
			"  NS: listen NAME BACKLOG\n"
			"  NS: connect NAMES ADDRESS [nonblock | timeout DURATION]   makes the sockets, too\n"
			"  NS: NAMES = accept NAME [nonblock]\n"
			"  NS: send NAMES BYTES [nonblock]          NS: recv NAMES BYTES [nonblock]\n"
			"  NS: close NAMES                          NS: shutdown NAMES read|write|both\n"
			"  NS: setsockopt NAMES OPTION NUMBER       NS: getsockopt NAMES OPTION\n"
			"  sysctl NS NAME VALUE    nft NS RULES    delay NS DURATION    wait DURATION\n"
			"  repeat N STATEMENT      # a comment\n"
			"  expect [N of] NAMES STATE|ERROR|ok|BLOCKED [or ...] [within DURATION]\n"
			"  expect [N of] NAMES accept_queue N[/M] | syn_queue N | took DURATION | returned N\n"
			"                      | value N | local_port N | peer_port N\n"
			"  expect NS counter NAME N\n"
			"  expect [no] record TYPE [FIELD VALUE | FIELD=VALUE]...\n"
			"  require ...             as expect; where it does not hold, the rest is left out\n"
			"\n"
			"NS is a (10.0.0.1, fd00::1) or b (10.0.0.2, fd00::2); NAMES is s or c1..c5; a call ending in & is not waited for. N may be\n"
			"3, 3..5, '>= 3', '< 3' or '3 or 4'. An expectation is waited for: 1 s, of a record\n"
			"5 s, or what `within` says. Exit status 1 if one did not hold. The fields of records\n"
			"are in man 5 tcpshake-records.\n"
			"\n"
			"A client whose time-out is over has EINPROGRESS, and its kernel goes on until close:\n"
			"\n"
			"  b: s = socket inet stream\n"
			"  b: bind s 0.0.0.0:7000\n"
			"  b: listen s 1\n"
			"  a: connect c1..c2 10.0.0.2:7000         these two fill the queue\n"
			"  a: connect c3 10.0.0.2:7000 timeout 1s\n"
			"  expect c3 EINPROGRESS\n"
			"  expect s accept_queue 2/1\n"
			"  a: close c3\n"
			"  expect record handshake outcome cancelled remote 7000",
		.examples =
			"  tcpshake lab --list\n"
			"  tcpshake lab backlog                      what a full accept queue does\n"
			"  tcpshake lab --step three-way-handshake\n"
			"  tcpshake lab ./mine.lab --json | jq -c 'select(.expect.held == false)'\n"
			"  tcpshake lab --all > this-kernel.txt\n",
		.run = lab_run_view,
	},
};

#define VIEWS (sizeof(views) / sizeof(views[0]))

static const struct view *find_view(const char *name)
{
	for (size_t i = 0; i < VIEWS; i++)
		if (strcmp(views[i].name, name) == 0)
			return &views[i];
	return NULL;
}

/* What it is when nobody says: a person sees the screen, unless tail's own options are given. */
static const struct view *default_view(int argc, char **argv)
{
	char why[160];

	return top_guard_can_draw(why, sizeof(why)) &&
	       (cli_options_fit(&views[0], argc, argv) ||
		!cli_options_fit(&views[1], argc, argv)) ? &views[0] : &views[1];
}

static enum exit_status unknown_view(const char *name)
{
	struct buf list = { 0 };

	for (size_t i = 0; i < VIEWS; i++)
		buf_format(&list, "%s%s", i ? ", " : "", views[i].name);
	log_error("there is no view '%s'; use one of: %s", name, buf_text(&list));
	buf_free(&list);
	return STATUS_USAGE;
}

static void print_help(const struct view *view)
{
	if (view) {
		printf("Usage: tcpshake %s%s%s [options]\n\n%s\n", view->name, view->operand ? " " : "",
		       view->operand ? view->operand : "", view->description);
	} else {
		printf("Usage: tcpshake [VIEW] [options]\n\n"
		       "Shows the TCP handshakes of this host, live from the kernel. Records come\n"
		       "from a running tcpshaked or, if none serves, from a private one that is\n"
		       "started and stopped along; that takes root.\n\nViews:\n");
		for (size_t i = 0; i < VIEWS; i++)
			printf("  %-12s %s%s\n", views[i].name, views[i].summary,
			       i > 1 ? "" : i ? " (the default elsewhere)" :
						" (the default on a terminal)");
	}
	printf("\nOptions:\n");
	options_print_help(cli_options_table(), view ? view->bit : 0, 23);
	printf("\nExamples:\n%s\nMore: man tcpshake\n", (view ? view : &views[0])->examples);
}

static void print_completion(unsigned shell)
{
	struct completion_command commands[VIEWS];

	for (size_t i = 0; i < VIEWS; i++)
		commands[i] = (struct completion_command){
			.name = views[i].name,
			.summary = views[i].summary,
			.files = views[i].operand,
			.view = views[i].bit,
		};
	completion_print(stdout, shell, "tcpshake", cli_options_table(), commands, VIEWS);
}

/* Descriptors 0 to 2 must be ours, or what is opened next would be taken for them. */
static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	struct options options = { .socket = DEFAULT_SOCKET };
	const struct view *view = NULL, *chosen;
	enum exit_status status;
	int at;

	fill_standard_descriptors();
	log_init("tcpshake", LOG_LEVEL_INFO);
	at = cli_options_find_view(argc, argv);
	if (at) {
		view = find_view(argv[at]);
		if (!view)
			return unknown_view(argv[at]);
		/* What is left are the options, and the view's operand. */
		memmove(argv + at, argv + at + 1, (size_t)(argc - at) * sizeof(*argv));
		argc--;
	}
	chosen = view ? view : default_view(argc, argv);
	status = cli_options_parse(&options, chosen, argc, argv);
	if (status == STATUS_OK && options.help)
		print_help(view);
	else if (status == STATUS_OK && options.completion)
		print_completion(options.completion);
	else if (status == STATUS_OK && options.version)
		printf("tcpshake %s\n", TCPSHAKE_VERSION);
	else if (status == STATUS_OK)
		status = chosen->run(&options);
	cli_options_free(&options);
	return status;
}
