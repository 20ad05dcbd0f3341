// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* ledger: the daemon's totals and audits; and the lines of the queues' records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/stats/ledger.h"
#include "cli/tail/render.h"

#define TS "\"ts\":\"2026-11-20T10:47:46.123456789Z\","
#define RECORD(type, rest) "{\"v\":1,\"type\":\"" type "\",\"seq\":2," TS rest "}"
#define HANDSHAKE(role, outcome)                                                              \
	RECORD("handshake", "\"role\":\"" role "\",\"outcome\":\"" outcome "\",\"local\":{"   \
	       "\"addr\":\"10.0.0.1\",\"port\":1},\"remote\":{\"addr\":\"10.0.0.2\",\"port\":2}")
#define COUNTER(name, kernel, observed, difference, rule)                                     \
	"{\"name\":\"" name "\",\"kernel\":" #kernel ",\"observed\":" #observed               \
	",\"difference\":" #difference ",\"rule\":" rule "}"
#define AUDIT(netns, balanced, counters)                                                      \
	RECORD("audit", "\"netns\":" #netns ",\"interval_ns\":1000000000,\"counters\":["      \
	       counters "],\"balanced\":" #balanced)
#define STATS                                                                                 \
	"\"uptime_ns\":3723000000000,\"totals\":{\"handshake\":{\"seen\":5,\"delivered\":3,"  \
	"\"filtered\":1,\"lost\":1},\"novelty\":{\"seen\":2,\"delivered\":2,\"filtered\":0,"  \
	"\"lost\":0}},\"outcomes\":{\"active\":{\"established\":2,\"refused\":1},"            \
	"\"passive\":{\"established\":1,\"postponed\":1}}"
#define LOSS RECORD("loss", "\"what\":\"handshake\",\"why\":\"ring_full\",\"count\":3")

static const struct style piped = { .columns = 80 };
static const struct style narrow = { .terminal = true, .utf8 = true, .columns = 80 };

static int setup_utc(void **state)
{
	(void)state;
	return setenv("TZ", "UTC", 1);
}

static struct record parsed(const char *line)
{
	struct record r;
	char error[160] = "";

	if (record_parse(line, strlen(line), &r, error, sizeof(error)) != RECORD_GOOD)
		fail_msg("%s: %s", line, error);
	return r;
}

static void expect_ledger(const char *const *lines, size_t count, const char *tables,
			  const char *json)
{
	struct ledger *l = ledger_new();
	struct buf b = { 0 };

	assert_non_null(l);
	for (size_t i = 0; i < count; i++) {
		struct record r = parsed(lines[i]);

		ledger_add(l, &r, lines[i], strlen(lines[i]));
		record_free(&r);
	}
	ledger_render(l, &piped, &b);
	buf_mem(&b, "", 1);
	assert_string_equal(b.data, tables);
	buf_clear(&b);
	ledger_json(l, &b);
	buf_mem(&b, "", 1);
	assert_string_equal(b.data, json);
	buf_free(&b);
	ledger_free(l);
}

static void test_answer(void **state)
{
	static const char *const lines[] = {
		AUDIT(9, false, COUNTER("OutRsts", 3, 4, -1, "null") ","
		      COUNTER("ActiveOpens", 7, 7, 0, "null")),
		AUDIT(8, true, COUNTER("TCPTimeouts", 12, 2, 10, "\"data_timeouts\"")),
		RECORD("stats", STATS),
	};

	(void)state;
	expect_ledger(lines, 3,
		      "watched for 1h 02m 03s\n"
		      "\n"
		      "HANDSHAKES     ACTIVE   PASSIVE\n"
		      "established         2         1\n"
		      "refused             1         0\n"
		      "other               0         1\n"
		      "all                 3         2\n"
		      "\n"
		      "RECORDS         SEEN DELIVERED  FILTERED      LOST\n"
		      "handshake          5         3         1         1\n"
		      "novelty            2         2         0         0\n"
		      "\n"
		      "audit of netns 8 over 1.00 s: balanced\n"
		      "COUNTER        KERNEL  OBSERVED DIFFERENCE RULE\n"
		      "TCPTimeouts        12         2         10 data_timeouts\n"
		      "\n"
		      "audit of netns 9 over 1.00 s: NOT BALANCED\n"
		      "COUNTER        KERNEL  OBSERVED DIFFERENCE RULE\n"
		      "OutRsts             3         4         -1 -\n"
		      "ActiveOpens         7         7          0 -\n"
		      "\n"
		      "audit: NOT BALANCED in 1 of 2 network namespaces\n",
		      AUDIT(8, true, COUNTER("TCPTimeouts", 12, 2, 10, "\"data_timeouts\"")) "\n"
		      AUDIT(9, false, COUNTER("OutRsts", 3, 4, -1, "null") ","
			    COUNTER("ActiveOpens", 7, 7, 0, "null")) "\n"
		      RECORD("stats", STATS) "\n");
}

/* A recording that was cut off: what came is counted. Of two feeds, the last. */
static void test_recording(void **state)
{
	static const char *const lines[] = {
		HANDSHAKE("active", "reset"), LOSS,
		RECORD("hello", "\"version\":\"1\""),
		HANDSHAKE("active", "established"), HANDSHAKE("passive", "established"),
		HANDSHAKE("passive", "postponed"), LOSS, LOSS,
		AUDIT(8, false, COUNTER("OutRsts", 1, 0, 1, "null")),
		AUDIT(8, true, COUNTER("OutRsts", 1, 1, 0, "null")),
	};

	(void)state;
	expect_ledger(lines, sizeof(lines) / sizeof(lines[0]),
		      "HANDSHAKES     ACTIVE   PASSIVE\n"
		      "established         1         1\n"
		      "other               0         1\n"
		      "all                 1         2\n"
		      "\n"
		      "LOST           COUNT WHY\n"
		      "handshake          6 ring_full\n"
		      "\n"
		      "audit of netns 8 over 1.00 s: balanced\n"
		      "COUNTER    KERNEL  OBSERVED DIFFERENCE RULE\n"
		      "OutRsts         1         1          0 -\n"
		      "\n"
		      "audit: balanced in 1 network namespace\n",
		      AUDIT(8, true, COUNTER("OutRsts", 1, 1, 0, "null")) "\n");
}

static void test_nothing(void **state)
{
	(void)state;
	expect_ledger(NULL, 0, "HANDSHAKES    ACTIVE   PASSIVE\n"
			       "all                0         0\n"
			       "\n"
			       "audit: none yet\n", "");
}

static void expect_line(const struct style *style, const char *line, const char *text)
{
	struct record r = parsed(line);
	struct buf b = { 0 };

	render_record(&b, style, &r);
	buf_mem(&b, "", 1);
	assert_string_equal(b.data, text);
	buf_free(&b);
	record_free(&r);
}

#define OVERFLOW_REST                                                                         \
	"\"netns\":7,\"process\":{\"pid\":812,\"comm\":\"nginx\",\"uid\":0},\"listener\":{"   \
	"\"addr\":\"::\",\"port\":443},\"accept_queue\":{\"len\":17,\"max\":16}"
#define CAUSE(code, certainty)                                                                \
	",\"cause\":{\"code\":\"" code "\",\"certainty\":\"" certainty "\",\"detail\":\"x\"}"

static void test_overflow_lines(void **state)
{
	static const char ack[] = RECORD("overflow", "\"stage\":\"ack\",\"queue\":\"accept\","
		"\"action\":\"dropped\",\"count\":1,\"evidence\":\"kfree_skb\","
		"\"remote\":{\"addr\":\"10.0.0.1\",\"port\":54321}," OVERFLOW_REST
		CAUSE("accept_queue_full", "proven"));

	(void)state;
	expect_line(&piped, ack,
		    "10:47:46.123 OVERFLOW 1 ack dropped: accept queue full [::]:443 nginx/812 "
		    "from=10.0.0.1:54321 queue=17/16 proven evidence=kfree_skb\n");
	expect_line(&narrow, ack,
		    "10:47:46.123 OVERFLOW 1 ack dropped: accept queue full [::]:443 nginx/812\n"
		    "             from=10.0.0.1:54321 queue=17/16 proven evidence=kfree_skb\n");
	expect_line(&piped,
		    RECORD("overflow", "\"stage\":\"syn\",\"queue\":\"syn\",\"action\":\"dropped\","
			   "\"count\":3,\"evidence\":\"counters\",\"interval_ns\":1000000000,"
			   "\"netns\":7,\"listener\":null,\"process\":null,\"accept_queue\":null"
			   CAUSE("syn_queue_three_quarters", "probable")),
		    "10:47:46.123 OVERFLOW 3 syn dropped: syn queue three quarters full netns=7 "
		    "within=1.00s probable evidence=counters\n");
}

static void test_other_lines(void **state)
{
	(void)state;
	expect_line(&piped,
		    RECORD("listener", "\"event\":\"opened\",\"netns\":7,\"socket\":\"1\","
			   "\"local\":{\"addr\":\"0.0.0.0\",\"port\":0},\"process\":"
			   "{\"pid\":1,\"comm\":\"a\\u001b\",\"uid\":0},\"processes\":[1,2]"),
		    "10:47:46.123 listener opened 0.0.0.0:0 a?/1+1\n");
	expect_line(&piped,
		    RECORD("listener", "\"event\":\"sample\",\"netns\":7,\"socket\":\"1\","
			   "\"local\":{\"addr\":\"0.0.0.0\",\"port\":80},\"process\":null,"
			   "\"accept_queue\":{\"len\":2,\"max\":1,\"peak\":2},\"drops\":3,"
			   "\"syn_queue\":{\"len\":1,\"young\":0,\"max\":1},\"oldest_wait_ns\":1000,"
			   "\"overflows\":{\"syn\":1,\"ack\":1,\"cookie\":2}"),
		    "10:47:46.123 listener sample 0.0.0.0:80 queue=2/1 peak=2 syn=1/1 "
		    "oldest=1.00us drops=3 overflows=1/1 cookies-refused=2\n");
	expect_line(&piped,
		    AUDIT(7, true, COUNTER("TCPTimeouts", 3, 1, 2, "\"data_timeouts\"") ","
			  COUNTER("OutRsts", 3, 3, 0, "null")),
		    "10:47:46.123 audit balanced netns=7 over=1.00s "
		    "TCPTimeouts=3-1(data_timeouts)\n");
	expect_line(&piped, AUDIT(7, false, COUNTER("OutRsts", 3, 4, -1, "null")),
		    "10:47:46.123 audit NOT BALANCED netns=7 over=1.00s "
		    "OutRsts=3-4(unexplained)\n");
	expect_line(&piped,
		    RECORD("accept", "\"local\":{\"addr\":\"10.0.0.2\",\"port\":443},\"remote\":{"
			   "\"addr\":\"10.0.0.1\",\"port\":54321},\"wait_ns\":300000000,"
			   "\"evidence\":\"syscall\",\"process\":{\"pid\":815,\"comm\":\"nginx\","
			   "\"uid\":33}"),
		    "10:47:46.123 accept  accepted      300 ms 10.0.0.2:443          <- "
		    "10.0.0.1:54321        nginx/815 syscall\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_recording),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_overflow_lines),
		cmocka_unit_test(test_other_lines),
	};

	return cmocka_run_group_tests(tests, setup_utc, NULL);
}
