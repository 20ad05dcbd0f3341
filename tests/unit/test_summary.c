// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Causes, resets and retransmits as lines, and the summary of a feed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/rendering.h"

static void test_causes(void **state)
{
	char *got;

	(void)state;
	expect(&piped,
	       HANDSHAKE("active", "timeout", V4 CURL ",\"errno_name\":\"ETIMEDOUT\",\"inferred\":true"
			 CAUSE("no_answer", "probable", "2 SYNs got no answer.")),
	       "10:47:46.123 active  timeout            - 10.0.0.1:54321        -> "
	       "10.0.0.2:80           curl/1234       no_answer? ETIMEDOUT inferred "
	       "(2 SYNs got no answer.)\n");
	/* The code only, where there is no room for more. */
	expect(&narrow,
	       HANDSHAKE("active", "timeout", V4 CURL ",\"errno_name\":\"ETIMEDOUT\",\"retransmits\":1"
			 CAUSE("no_answer", "proven", "2 SYNs got no answer.")),
	       "10:47:46.123 timeout            - :54321 \u2192 10.0.0.2:80           curl/1234\n"
	       "             no_answer retransmits=1\n");
	/* On a wide terminal a long sentence has lines of its own, and its words stay whole. */
	got = render(&wide, HANDSHAKE("active", "timeout", V4 CURL
		CAUSE("gremlins", "proven",
		      "Nobody knows why this one failed, but we can write about it at such length "
		      "that one line of a terminal is not enough for it, and then some more of it")));
	assert_non_null(strstr(got, "curl/1234       gremlins\n             (Nobody knows"));
	assert_non_null(strstr(got, "more of it)\n"));
	for (const char *line = strchr(got, '\n') + 1, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		assert_in_range(end - line, 20, 150);
		assert_int_equal(strspn(line, " "), 13);
	}
	free(got);
}

static void test_cause_color(void **state)
{
	struct style style = wide;
	char *got;

	(void)state;
	style.color = true;
	got = render(&style, HANDSHAKE("active", "timeout", V4 CAUSE("no_answer", "probable", "x")));
	assert_non_null(strstr(got, "\033[31mno_answer\033[0m\033[31m?\033[0m"));
	free(got);
	got = render(&style, HANDSHAKE("active", "established",
				       V4 CAUSE("syn_lost", "proven", "x")));
	assert_non_null(strstr(got, "\033[33msyn_lost\033[0m \033[2m("));
	free(got);
}

static void test_resets(void **state)
{
	(void)state;
	expect(&piped,
	       RESET("sent", "port_closed", CURL ",\"phase\":\"none\",\"reason\":\"no_socket\","
		     "\"detail\":\"A SYN came.\""),
	       "10:47:46.123 RST out port_closed          10.0.0.1:54321        -> "
	       "10.0.0.2:80           curl/1234       phase=none reason=no_socket (A SYN came.)\n");
	expect(&piped, RESET("received", "refused", ",\"phase\":\"syn_sent\",\"reason\":null"),
	       "10:47:46.123 RST in  refused              10.0.0.1:54321        <- "
	       "10.0.0.2:80           -               phase=syn_sent\n");
	expect(&narrow,
	       RESET("sent", "abort", CURL ",\"phase\":\"established\","
		     "\"reason\":\"tcp_abort_on_close\",\"detail\":\"Unread data.\""),
	       "10:47:46.123 RST abort            :54321 \u2192 10.0.0.2:80           curl/1234\n"
	       "             phase=established reason=tcp_abort_on_close\n");
}

static void test_retransmits(void **state)
{
	(void)state;
	expect(&piped, RETRANSMIT("syn_ack", ",\"elapsed_ns\":3072000000,\"acked\":true"),
	       "10:47:46.123 SYN-ACK retransmit    3.07 s 10.0.0.1:54321        <- "
	       "10.0.0.2:80           -               attempt=2 acked\n");
	expect(&piped, RETRANSMIT("syn", CURL ",\"elapsed_ns\":null"),
	       "10:47:46.123 SYN     retransmit         - 10.0.0.1:54321        -> "
	       "10.0.0.2:80           curl/1234       attempt=2\n");
	expect(&narrow, RETRANSMIT("syn", CURL ",\"elapsed_ns\":1000000000"),
	       "10:47:46.123 retransmit    1.00 s :54321 \u2192 10.0.0.2:80           curl/1234\n"
	       "             SYN attempt=2\n");
}

static void test_summary(void **state)
{
	static const char *const lines[] = {
		HANDSHAKE("active", "established", V4 ",\"latency_ns\":1000"),
		HANDSHAKE("active", "established", V4 ",\"latency_ns\":null,\"retransmits\":1"),
		/* Only established ones have a latency worth a quantile. */
		HANDSHAKE("active", "refused", V4 ",\"latency_ns\":5000000000"),
		HANDSHAKE("passive", "established", V4 ",\"latency_ns\":2000"),
		LOSS("handshake", "ring_full", "12"),
		LOSS("handshake", "map_full", "1"),
		LOSS("handshake", "ring_full", "3"),
		("{\"v\":1,\"type\":\"bye\",\"totals\":{\"handshake\":{\"seen\":30,\"filtered\":10,"
		 "\"lost\":16}}}"),
	};
	struct input_report report = { .bad = 2, .missing = 5, .cut = true };
	char *got = sum_up(lines, sizeof(lines) / sizeof(lines[0]), &report);

	(void)state;
	assert_string_equal(got, "handshakes      active   passive\n"
				 "established          2         1\n"
				 "refused              1         0\n"
				 "all                  3         1\n"
				 "\n"
				 "latency            p50       p90       p99       max\n"
				 "active         1.00 us   1.00 us   1.00 us   1.00 us\n"
				 "passive        2.00 us   2.00 us   2.00 us   2.00 us\n"
				 "\n"
				 "retransmits          1 handshakes sent a SYN or SYN-ACK again\n"
				 "lost                15 handshake: ring_full\n"
				 "lost                 1 handshake: map_full\n"
				 "missing              5 records, by the gaps in seq\n"
				 "skipped              2 lines that are no records\n"
				 "skipped              1 last line, cut off\n"
				 "kernel              30 seen, 10 filtered, 16 lost\n");
	free(got);
}

static void test_summary_of_causes(void **state)
{
	static const char *const lines[] = {
		HANDSHAKE("active", "timeout", V4 CAUSE("no_answer", "probable", "x")),
		HANDSHAKE("active", "timeout", V4 CAUSE("no_answer", "proven", "x")),
		HANDSHAKE("passive", "timeout", V4 CAUSE("syn_queue_three_quarters", "proven", "x")),
		RESET("sent", "port_closed", ",\"phase\":\"none\""),
		RESET("sent", "port_closed", ",\"phase\":\"none\""),
		RESET("received", "peer", ",\"phase\":\"established\""),
		("{\"v\":1,\"type\":\"bye\",\"totals\":{\"handshake\":{\"seen\":30,\"filtered\":10,"
		 "\"limited\":4,\"lost\":16}}}"),
	};
	struct input_report report = { 0 };
	char *got = sum_up(lines, sizeof(lines) / sizeof(lines[0]), &report);

	(void)state;
	assert_string_equal(got, "handshakes      active   passive\n"
				 "timeout              2         1\n"
				 "all                  2         1\n"
				 "\n"
				 "causes                      proven  probable\n"
				 "no_answer                        1         1\n"
				 "syn_queue_three_quarters         1         0\n"
				 "\n"
				 "resets                        sent  received\n"
				 "port_closed                      2         0\n"
				 "peer                             0         1\n"
				 "\n"
				 "kernel              30 seen, 10 filtered, 4 over the rate, 16 lost\n");
	free(got);
}

/* No RST was seen to come where none can be seen: that is no 0. */
static void test_summary_of_what_was_not_seen(void **state)
{
	static const char *const lines[] = {
		"{\"v\":1,\"type\":\"hello\",\"capabilities\":{\"tcp_receive_reset\":false}}",
		RESET("sent", "port_closed", ",\"phase\":\"none\""),
	};
	struct input_report report = { 0 };
	char *got = sum_up(lines, sizeof(lines) / sizeof(lines[0]), &report);

	(void)state;
	assert_non_null(strstr(got, "port_closed                      1         -\n"));
	free(got);
}

/* Of 100 records that differ in a number: `format` has a place for it. */
static char *sum_up_many(const char *format)
{
	static char texts[100][400];
	const char *lines[100];
	struct input_report report = { 0 };

	for (int i = 0; i < 100; i++) {
		snprintf(texts[i], sizeof(texts[i]), format, i);
		lines[i] = texts[i];
	}
	return sum_up(lines, 100, &report);
}

/* More words than anybody knows: none is dropped. */
static void test_summary_of_many_causes(void **state)
{
	char *got = sum_up_many(RESET("sent", "w%d", ",\"phase\":\"none\""));

	(void)state;
	assert_non_null(strstr(got, "other                           61         0\n"));
	assert_non_null(strstr(got, "w38                              1         0\n"));
	free(got);
}

static void test_summary_of_little(void **state)
{
	static const char *const newer[] = { HANDSHAKE("relay", "postponed", V4) };
	struct input_report report = { 0 };
	char *got = sum_up(NULL, 0, &report);

	(void)state;
	assert_string_equal(got, "no handshakes\n");
	free(got);
	got = sum_up(newer, 1, &report);
	assert_string_equal(got, "handshakes      active   passive     other\n"
				 "other                0         0         1\n"
				 "all                  0         0         1\n");
	free(got);
}

/* More kinds of loss than anybody knows: none is dropped. */
static void test_summary_of_many_losses(void **state)
{
	char *got = sum_up_many(LOSS("w%d", "y", "1"));

	(void)state;
	assert_non_null(strstr(got, "1 w0: y\n"));
	assert_non_null(strstr(got, "69 other: other reasons\n"));
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_causes),
		cmocka_unit_test(test_cause_color),
		cmocka_unit_test(test_resets),
		cmocka_unit_test(test_retransmits),
		cmocka_unit_test(test_summary),
		cmocka_unit_test(test_summary_of_little),
		cmocka_unit_test(test_summary_of_many_losses),
		cmocka_unit_test(test_summary_of_causes),
		cmocka_unit_test(test_summary_of_what_was_not_seen),
		cmocka_unit_test(test_summary_of_many_causes),
	};

	return cmocka_run_group_tests(tests, setup_utc, NULL);
}
