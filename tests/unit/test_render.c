// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* render and text: what a person gets to see, and what a terminal must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/text/text.h"
#include "tests/unit/rendering.h"

static void test_in_a_pipe(void **state)
{
	(void)state;
	expect(&piped, HANDSHAKE("active", "established", V4 CURL ",\"latency_ns\":40123456"),
	       "10:47:46.123 active  established  40.1 ms 10.0.0.1:54321        -> "
	       "10.0.0.2:80           curl/1234\n");
	expect(&piped, HANDSHAKE("passive", "established", V4 ",\"latency_ns\":null"),
	       "10:47:46.123 passive established        - 10.0.0.1:54321        <- "
	       "10.0.0.2:80           -\n");
	expect(&piped,
	       HANDSHAKE("active", "refused", V4 CURL ",\"errno_name\":\"ECONNREFUSED\","
			 "\"latency_ns\":1000,\"cgroup\":{\"path\":\"/a/nginx.service\"}"),
	       "10:47:46.123 active  refused      1.00 us 10.0.0.1:54321        -> "
	       "10.0.0.2:80           curl/1234       ECONNREFUSED cgroup=nginx.service\n");
}

static void test_extras(void **state)
{
	(void)state;
	expect(&piped,
	       HANDSHAKE("passive", "established", V4 ",\"retransmits\":1,"
			 "\"retransmit_wait_ns\":1000000000,"
			 "\"accept_queue\":{\"len\":3,\"max\":128},"
			 "\"fastopen\":true,\"syncookie\":true,\"simultaneous\":true,"
			 "\"partial\":true,\"cgroup\":{\"path\":\"/docker/x\"},"
			 "\"container\":{\"id\":\"0123456789abcdef\"}"),
	       "10:47:46.123 passive established        - 10.0.0.1:54321        <- "
	       "10.0.0.2:80           -               retransmits=1 wait=1.00s queue=3/128 "
	       "fastopen syncookie simultaneous partial container=0123456789ab\n");
	/* Whose latency it is, unless that is what the endpoints say. */
	expect(&piped,
	       HANDSHAKE("active", "established", V4 ",\"nat\":{\"addr\":\"127.0.0.1\",\"port\":15001}"),
	       "10:47:46.123 active  established        - 10.0.0.1:54321        -> "
	       "10.0.0.2:80           -               nat=127.0.0.1:15001 (NAT led it to 127.0.0.1:15001, on its own host: "
	       "the outcome is from there, not from 10.0.0.2:80)\n");
	expect(&piped,
	       HANDSHAKE("active", "established", V4 ",\"latency_ns\":40123456,\"nat\":{\"addr\":\"10.0.0.1\",\"port\":80}"),
	       "10:47:46.123 active  established  40.1 ms 10.0.0.1:54321        -> "
	       "10.0.0.2:80           -               nat=10.0.0.1:80 (NAT led it to 10.0.0.1:80, on its own host: "
	       "latency and outcome are from there, not from 10.0.0.2:80)\n");
	expect(&piped,
	       HANDSHAKE("active", "refused", V4 ",\"latency_ns\":40123456,\"nat\":{\"addr\":\"172.30.9.2\",\"port\":80}"),
	       "10:47:46.123 active  refused      40.1 ms 10.0.0.1:54321        -> "
	       "10.0.0.2:80           -               nat=172.30.9.2:80 (NAT led it to 172.30.9.2:80: "
	       "latency and outcome are from there, not from 10.0.0.2:80)\n");
	/* A server's latency is its client's, wherever NAT says that this is. */
	expect(&piped,
	       HANDSHAKE("passive", "established", V4 ",\"nat\":{\"addr\":\"172.30.9.2\",\"port\":80}"),
	       "10:47:46.123 passive established        - 10.0.0.1:54321        <- "
	       "10.0.0.2:80           -               nat=172.30.9.2:80\n");
	expect(&piped,
	       HANDSHAKE("active", "established", V4 ",\"nat\":{\"addr\":\"10.0.0.2\",\"port\":80}"),
	       "10:47:46.123 active  established        - 10.0.0.1:54321        -> "
	       "10.0.0.2:80           -\n");
	/* What everybody has says nothing. */
	expect(&piped,
	       HANDSHAKE("passive", "established", V4 ",\"retransmits\":0,"
			 "\"retransmit_wait_ns\":0,\"accept_queue\":{\"len\":0,\"max\":128},"
			 "\"fastopen\":false,\"cgroup\":{\"path\":\"/\"}"),
	       "10:47:46.123 passive established        - 10.0.0.1:54321        <- "
	       "10.0.0.2:80           -\n");
	/* A wait that is not known is not zero. */
	expect(&piped, HANDSHAKE("active", "timeout", V4 ",\"retransmits\":6"),
	       "10:47:46.123 active  timeout            - 10.0.0.1:54321        -> "
	       "10.0.0.2:80           -               retransmits=6\n");
}

static void test_narrow_terminal(void **state)
{
	(void)state;
	expect(&narrow, HANDSHAKE("active", "established", V4 CURL ",\"latency_ns\":40123456"),
	       "10:47:46.123 established  40.1 ms :54321 \u2192 10.0.0.2:80           curl/1234\n");
	/* The errno that the outcome implies is left out, another one is not. */
	expect(&narrow,
	       HANDSHAKE("active", "refused", V4 CURL ",\"errno_name\":\"ECONNREFUSED\""),
	       "10:47:46.123 refused            - :54321 \u2192 10.0.0.2:80           curl/1234\n");
	expect(&narrow,
	       HANDSHAKE("active", "unreachable", V4 CURL ",\"errno_name\":\"ENETUNREACH\""),
	       "10:47:46.123 unreachable        - :54321 \u2192 10.0.0.2:80           curl/1234\n"
	       "             ENETUNREACH\n");
	/* What does not fit goes below; a cgroup is not worth that. */
	expect(&narrow,
	       HANDSHAKE("passive", "established", V4 CURL ",\"retransmits\":1,"
			 "\"cgroup\":{\"path\":\"/system.slice/a-very-long-name-of-a-unit-that-"
			 "will-not-fit-in-here.service\"}"),
	       "10:47:46.123 established        - :54321 \u2190 10.0.0.2:80           curl/1234\n"
	       "             retransmits=1\n");
}

/* Up to the widest IPv4 address and a process name of eight, a line keeps to 80 columns. */
static void test_eighty_columns(void **state)
{
	char *got = render(&narrow, HANDSHAKE("active", "unreachable",
		"\"local\":{\"addr\":\"100.100.100.100\",\"port\":65535},"
		"\"remote\":{\"addr\":\"255.255.255.255\",\"port\":65535},"
		"\"latency_ns\":999000000,\"process\":{\"pid\":4194303,\"comm\":\"python3\"}"));

	(void)state;
	/* Of its bytes, the arrow takes two more than its column. */
	assert_int_equal(strlen(got), 80 + 2 + 1);
	free(got);
}

static void test_ipv6_is_never_truncated(void **state)
{
	(void)state;
	expect(&narrow, HANDSHAKE("active", "established", V6 CURL),
	       "10:47:46.123 established        - :54321 \u2192 "
	       "[2001:db8:1111:2222:3333:4444:5555:6666]:80 curl/1234\n");
	expect(&piped, HANDSHAKE("active", "established", V6 CURL),
	       "10:47:46.123 active  established        - [2001:db8::1]:54321   -> "
	       "[2001:db8:1111:2222:3333:4444:5555:6666]:80 curl/1234\n");
}

static void test_color(void **state)
{
	static const struct {
		const char *line, *needle;
	} cases[] = {
		{ HANDSHAKE("active", "established", V4), "\033[32mestablished\033[0m " },
		{ HANDSHAKE("active", "established", V4 ",\"retransmits\":1"),
		  "\033[33mestablished\033[0m " },
		{ HANDSHAKE("active", "cancelled", V4), "\033[33mcancelled\033[0m   " },
		{ HANDSHAKE("active", "timeout", V4), "\033[31mtimeout\033[0m     " },
	};
	struct style style = wide;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *got;

		style.color = true;
		got = render(&style, cases[i].line);
		if (!strstr(got, cases[i].needle))
			fail_msg("not in '%s': '%s'", got, cases[i].needle);
		free(got);
		style.color = false;
		got = render(&style, cases[i].line);
		assert_null(strchr(got, '\033'));
		free(got);
	}
}

static void test_other_records(void **state)
{
	static const char hello[] = "{\"v\":1,\"type\":\"hello\",\"version\":\"0.1.0\","
				    "\"host\":\"h\",\"kernel\":\"6.1\","
				    "\"filters\":{\"port\":\"80\"}}";

	(void)state;
	expect(&narrow, hello, "tcpshaked 0.1.0 on h, Linux 6.1, port=80\n");
	expect(&piped, hello, "");
	expect(&piped, "{\"v\":1,\"type\":\"bye\",\"reason\":\"signal\"}", "");
	expect(&narrow, "{\"v\":1,\"type\":\"bye\",\"reason\":\"signal\"}",
	       "end of the feed (signal)\n");
	expect(&piped, LOSS("handshake", "ring_full", "12"),
	       "10:47:46.123 LOST 12 handshake ring_full: the kernel's ring buffer was full\n");
	expect(&piped, "{\"v\":1,\"type\":\"loss\",\"what\":\"a\",\"why\":\"b\",\"count\":1}",
	       "-            LOST 1 a b\n");
}

static void test_unknown_type_loses_nothing(void **state)
{
	(void)state;
	expect(&piped, "{\"v\":1,\"type\":\"we\\u001bather\",\"seq\":9," TS "\"mono_ns\":5,"
		       "\"text\":\"a\\nb\",\"n\":1.5,\"no\":null,\"yes\":true,"
		       "\"in\":{\"k\":[1,\"x\"]},\"ke\\u001by\":\"\"}",
	       "10:47:46.123 we?ather text=a?b n=1.5 no=null yes=true "
	       "in={\"k\":[1,\"x\"]} ke?y=\n");
}

static void test_bad_times(void **state)
{
	static const char *const times[] = { "\"\"", "\"yesterday\"", "7", "null",
					     "\"2026-11-20T10:47:46Z\"", "\"2026-11-20\"",
					     "\"2026-11-20T10:47:46.-12\"" };

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		char line[128];

		snprintf(line, sizeof(line), "{\"v\":1,\"type\":\"x\",\"ts\":%s}", times[i]);
		expect(&piped, line, "-            x\n");
	}
}

/* No string of a feed reaches the terminal with what could steer it, in any place. */
static void test_nothing_steers_the_terminal(void **state)
{
#define EVIL "\\u001b[2J\\u0007\\r\\n\\u009b5m\\u007f\\u202e\\u2028\x1b]0;x\xff\xc2\x9b"
	static const char *const lines[] = {
		HANDSHAKE(EVIL, EVIL, "\"errno_name\":\"" EVIL "\",\"local\":{\"addr\":\"" EVIL
			  "\",\"port\":1},\"remote\":{\"addr\":\"" EVIL "\",\"port\":1},"
			  "\"process\":{\"pid\":1,\"comm\":\"" EVIL "\"},"
			  "\"cgroup\":{\"path\":\"/" EVIL "\"}"),
		HANDSHAKE("active", "reset", V4 ",\"container\":{\"id\":\"" EVIL "\"}"),
		HANDSHAKE("active", "reset", V4 CAUSE(EVIL, EVIL, EVIL)),
		RESET(EVIL, EVIL, ",\"phase\":\"" EVIL "\",\"reason\":\"" EVIL "\",\"detail\":\"" EVIL
		      "\",\"process\":{\"pid\":1,\"comm\":\"" EVIL "\"}"),
		RETRANSMIT(EVIL, ",\"process\":{\"pid\":1,\"comm\":\"" EVIL "\"}"),
		"{\"v\":1,\"type\":\"" EVIL "\",\"" EVIL "\":\"" EVIL "\",\"o\":{\"" EVIL
		"\":\"" EVIL "\"},\"ts\":\"" EVIL "\"}",
		LOSS(EVIL, EVIL, "1"),
		"{\"v\":1,\"type\":\"bye\",\"reason\":\"" EVIL "\"}",
		"{\"v\":1,\"type\":\"hello\",\"version\":\"" EVIL "\",\"host\":\"" EVIL
		"\",\"kernel\":\"" EVIL "\",\"evidence\":\"" EVIL "\",\"filters\":{\"" EVIL
		"\":\"" EVIL "\"}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char *got = render(&wide, lines[i]), *p = got;
		size_t newlines = 0;

		for (; *p; p++) {
			newlines += *p == '\n';
			assert_true(*p == '\n' || ((unsigned char)*p >= ' ' && *p != 0x7f));
		}
		/* Its own, and at most one for what did not fit. */
		assert_in_range(newlines, 1, 2);
		assert_null(strstr(got, "\xc2\x9b"));
		assert_null(strstr(got, "\u202e"));
		assert_null(strstr(got, "\u2028"));
		assert_null(strstr(got, "\xff"));
		free(got);
	}
}

static void test_text(void **state)
{
	static const struct {
		const char *in, *utf8, *ascii;
		size_t columns;
	} cases[] = {
		{ "plain", "plain", "plain", 5 },
		{ "", "", "", 0 },
		{ "caf\u00e9", "caf\u00e9", "caf?", 4 },
		{ "\u65e5\U0001f600", "\u65e5\U0001f600", "??", 2 },
		{ "a\tb\x01\x7f", "a?b??", "a?b??", 5 },
		{ "\xc2\x80\xc2\x9f\u00a0", "??\u00a0", "???", 3 },
		/* Overlong, a surrogate, beyond Unicode, cut off, a lone continuation. */
		{ "\xc0\x9b", "??", "??", 2 },
		{ "\xe0\x82\x9b", "???", "???", 3 },
		{ "\xed\xa0\x80", "???", "???", 3 },
		{ "\xf4\x90\x80\x80", "????", "????", 4 },
		{ "x\xe2\x82", "x??", "x??", 3 },
		{ "\x9b" "5m", "?5m", "?5m", 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b = { 0 };

		assert_int_equal(text_append(&b, cases[i].in, true), cases[i].columns);
		buf_mem(&b, "", 1);
		assert_string_equal(b.data, cases[i].utf8);
		buf_clear(&b);
		text_append(&b, cases[i].in, false);
		buf_mem(&b, "", 1);
		assert_string_equal(b.data, cases[i].ascii);
		buf_free(&b);
	}
}

static void test_json_on_a_terminal(void **state)
{
	static const char in[] = "{\"a\":\t\"x\x1b[2J\xc2\x9b\xff\u00e9\"}";
	struct buf b = { 0 };

	(void)state;
	buf_safe(&b, in, sizeof(in) - 1);
	buf_mem(&b, "", 1);
	assert_string_equal(b.data, "{\"a\":\t\"x\\u001b[2J\\u009b\\ufffd\u00e9\"}");
	buf_free(&b);
}

static void test_header_matches_lines(void **state)
{
	static const struct style styles[] = {
		{ .terminal = true, .columns = 80 },
		{ .terminal = true, .utf8 = true, .columns = 80 },
		{ .terminal = true, .columns = 150 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++) {
		struct buf b = { 0 };
		char *line = render(&styles[i], HANDSHAKE("active", "refused", V4 CURL));
		size_t arrow = styles[i].utf8 ? 2 : 0;

		render_header(&b, &styles[i], false);
		buf_mem(&b, "", 1);
		assert_int_equal(strstr(b.data, "OUTCOME") - b.data,
				 strstr(line, "refused") - line);
		assert_int_equal(strstr(b.data, "REMOTE") - b.data,
				 strstr(line, "10.0.0.2") - line - arrow);
		assert_int_equal(strstr(b.data, "PROCESS") - b.data,
				 strstr(line, "curl") - line - arrow);
		buf_free(&b);
		free(line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_a_pipe),
		cmocka_unit_test(test_extras),
		cmocka_unit_test(test_narrow_terminal),
		cmocka_unit_test(test_eighty_columns),
		cmocka_unit_test(test_ipv6_is_never_truncated),
		cmocka_unit_test(test_color),
		cmocka_unit_test(test_other_records),
		cmocka_unit_test(test_unknown_type_loses_nothing),
		cmocka_unit_test(test_bad_times),
		cmocka_unit_test(test_nothing_steers_the_terminal),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json_on_a_terminal),
		cmocka_unit_test(test_header_matches_lines),
	};

	return cmocka_run_group_tests(tests, setup_utc, NULL);
}
