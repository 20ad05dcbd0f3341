// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* holders: what the lines, links and status of /proc say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/host/process.h"
#include "tests/unit/holding.h"

static enum holders_line parse(const char *line, uint16_t family, struct holder *h)
{
	*h = (struct holder){ .netns = 5, .pid = 6 };
	return holders_parse_line(line, strlen(line), family, h);
}

static void test_ipv4(void **state)
{
	struct holder h;
	char line[256];

	(void)state;
	snprintf(line, sizeof(line),
		 "  17: %s:1F90 00000000:0000 0A 00000000:00000081 00:00000000 00000000   101        0 "
		 "4294967295" REST, word("\x0a\x09\x00\x02"));
	assert_int_equal(parse(line, AF_INET, &h), HOLDERS_LISTENER);
	expect_addr(&h, "10.9.0.2");
	assert_int_equal(h.port, 8080);
	assert_int_equal(h.family, AF_INET);
	assert_int_equal(h.accept_len, 0x81);
	assert_int_equal(h.uid, 101);
	assert_true(h.inode == UINT32_MAX);
	assert_int_equal(h.netns, 5);
	assert_int_equal(h.pid, 6);
}

/* Each word apart is of the host's byte order. */
static void test_ipv6(void **state)
{
	static const struct {
		const char *words[4], *addr;
	} cases[] = {
		{ { "\x20\x01\x0d\xb8", "\x00\x01\x00\x02", "\x00\x03\x00\x04", "\x00\x05\x00\x06" },
		  "2001:db8:1:2:3:4:5:6" },
		{ { "\0\0\0\0", "\0\0\0\0", "\0\0\0\0", "\0\0\0\x01" }, "::1" },
		{ { "\0\0\0\0", "\0\0\0\0", "\0\0\0\0", "\0\0\0\0" }, "::" },
		{ { "\0\0\0\0", "\0\0\0\0", "\0\0\xff\xff", "\x7f\0\0\x01" }, "127.0.0.1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *const *w = cases[i].words;
		struct holder h;
		char line[256];

		snprintf(line, sizeof(line), "   0: %s%s%s%s:0000 " ZERO ":0000 0A "
			 "00000000:00000000 00:00000000 00000000     0        0 7" REST,
			 word(w[0]), word(w[1]), word(w[2]), word(w[3]));
		assert_int_equal(parse(line, AF_INET6, &h), HOLDERS_LISTENER);
		expect_addr(&h, cases[i].addr);
		assert_int_equal(h.port, 0);
		assert_int_equal(h.family, AF_INET6);
		assert_int_equal(h.inode, 7);
		assert_int_equal(parse(line, AF_INET, &h), HOLDERS_NO_SOCKET);
	}
}

#define LINE4                                                                                      \
	"   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "  \
	"7199" REST

/* Wherever a line is cut, it gives all that it says or nothing: no shorter inode number for one. */
static void test_cut(void **state)
{
	const size_t inode_end = strlen(LINE4) - strlen(REST);

	(void)state;
	for (size_t len = 0; len <= strlen(LINE4); len++) {
		struct holder h = { .inode = 9 };
		char *exact = malloc(len + 1); /* a read beyond it is seen by ASan */

		assert_non_null(exact);
		memcpy(exact, LINE4, len);
		exact = realloc(exact, len ? len : 1);
		assert_int_equal(holders_parse_line(exact, len, AF_INET, &h),
				 len > inode_end ? HOLDERS_LISTENER : HOLDERS_NO_SOCKET);
		assert_int_equal(h.inode, len > inode_end ? 7199 : 9);
		free(exact);
	}
}

/* Any byte in place of any other: it parses as something, or not; it does not crash. */
static void test_altered(void **state)
{
	int listeners = 0;

	(void)state;
	for (size_t at = 0; at < strlen(LINE4); at++) {
		for (int byte = 0; byte < 256; byte++) {
			char line[] = LINE4;
			struct holder h = { .inode = 9 };
			enum holders_line kind;

			line[at] = (char)byte;
			kind = holders_parse_line(line, strlen(LINE4), AF_INET, &h);
			listeners += kind == HOLDERS_LISTENER;
			if (kind != HOLDERS_LISTENER)
				assert_int_equal(h.inode, 9);
		}
	}
	assert_true(listeners > (int)strlen(REST) * 255);
	assert_true(listeners < (int)strlen(LINE4) * 128);
}

static void test_no_listener(void **state)
{
	static const struct {
		const char *line;
		enum holders_line kind;
	} cases[] = {
		{ "   1: 0100007F:0016 0100007F:8000 01 00000000:00000000 00:00000000 00000000     0"
		  "        0 71" REST, HOLDERS_OTHER_STATE },
		{ "   2: 0100007F:0016 0100007F:8000 06 0", HOLDERS_OTHER_STATE },
		{ "  sl  local_address rem_address   st", HOLDERS_NO_SOCKET },
		{ "", HOLDERS_NO_SOCKET },
		{ "   :", HOLDERS_NO_SOCKET },
		{ "   0: 0x00007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0"
		  "        0 71" REST, HOLDERS_NO_SOCKET },
		{ "   0: 0100007F:10016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0"
		  "        0 71" REST, HOLDERS_NO_SOCKET },
		{ "   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0"
		  "        0 18446744073709551616" REST, HOLDERS_NO_SOCKET },
		{ "   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0"
		  "        0 -1" REST, HOLDERS_NO_SOCKET },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct holder h;

		assert_int_equal(parse(cases[i].line, AF_INET, &h), cases[i].kind);
		assert_int_equal(h.inode, 0);
	}
}

static void test_links(void **state)
{
	static const char *const others[] = { "", "socket", "socket:", "socket:[", "socket:[]",
					      "socket:[ 7]", "socket:[7", "socket:[7]x", "socket:[7x]",
					      "socket:[-7]", "socket:[18446744073709551616]",
					      "/tmp/socket:[7]", "pipe:[7]", "anon_inode:[eventfd]" };

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_true(process_parse_link(others[i], "socket") == 0);
	assert_true(process_parse_link("socket:[7]", "socket") == 7);
	assert_true(process_parse_link("socket:[18446744073709551615]", "socket") == UINT64_MAX);
	assert_true(process_parse_link("net:[4026531840]", "net") == 4026531840);
}

static void test_init(void **state)
{
	(void)state;
	assert_true(holders_parse_init("Name:\tx\nNSpid:\t1\nNSpgid:\t7\n"));
	assert_true(holders_parse_init("Name:\tx\nNSpid:\t700\t1\nNSpgid:\t7\n"));
	assert_false(holders_parse_init("Name:\tx\nNSpid:\t1\t21\nNSpgid:\t1\n"));
	assert_false(holders_parse_init("Name:\tx\nNSpid:\t21\n"));
	assert_false(holders_parse_init("Name:\tx\nNSpid:\t"));
	assert_false(holders_parse_init("Name:\tNSpid:\t1\nPid:\t1\n"));
}

static void test_stat(void **state)
{
	const char *rest = "S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 10\n";
	struct process_state s = { .start = 5 };
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), "77 (a (b) c) %s", rest);
	assert_true(process_parse_stat(text, &s));
	assert_string_equal(s.comm, "a (b) c");
	assert_true(s.start == 4711);
	snprintf(text, sizeof(text), "77 (a name that is longer than it may be) %s", rest);
	assert_true(process_parse_stat(text, &s));
	assert_string_equal(s.comm, "a name that is ");
	s.start = 5;
	assert_false(process_parse_stat("", &s));
	assert_false(process_parse_stat("77 )(", &s));
	assert_false(process_parse_stat("77 (a) S 1 2 3", &s));
	text[strlen(text) - strlen(" 4711 9 10\n")] = '\0'; /* cut before the field */
	assert_false(process_parse_stat(text, &s));
	assert_true(s.start == 5);
}

static void test_uid(void **state)
{
	uint32_t uid = 9;

	(void)state;
	assert_false(holders_parse_uid("", &uid));
	assert_false(holders_parse_uid("Name:\tUid:\t5\n", &uid));
	assert_false(holders_parse_uid("Name:\tx\nUid:\t", &uid));
	assert_false(holders_parse_uid("Name:\tx\nUid:\tx\t1\n", &uid));
	assert_int_equal(uid, 9);
	assert_true(holders_parse_uid("Name:\tUid:\t5\\nUid:\t6\nUid:\t4294967294\t1\t2\t3\n", &uid));
	assert_true(uid == 4294967294);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_altered),
		cmocka_unit_test(test_no_listener),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_stat),
		cmocka_unit_test(test_uid),
	};

	return cmocka_run_group_tests_name("holders_parse", tests, NULL, NULL);
}
