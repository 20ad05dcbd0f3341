// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* backlog_say: what listen() asked for and got, in words; group_say: listeners of one port side by side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include <cmocka.h>

#include "cli/feed/backlog.h"
#include "cli/feed/group.h"
#include "common/names.h"

static void expect(struct backlog b, bool clamped, const char *text)
{
	struct buf out = { 0 };

	assert_int_equal(backlog_is_clamped(&b), clamped);
	assert_int_equal(backlog_say(&out, &b), *text != '\0');
	buf_mem(&out, "", 1);
	assert_string_equal(out.data, text);
	buf_free(&out);
}

static void test_words(void **state)
{
	(void)state;
	expect((struct backlog){ true, 65535, 4096 }, true,
	       "asked 65535, got 4096: net.core.somaxconn of this namespace");
	expect((struct backlog){ true, 511, 128 }, true, "asked 511, got 128: net.core.somaxconn of this namespace "
							 "(511 may be the default of nginx, Node.js, Redis or Apache httpd)");
	expect((struct backlog){ true, 7, 7 }, false, "asked 7 and got it");
	expect((struct backlog){ true, 65535, COUNT_UNKNOWN }, false, "asked 65535");
}

/* Below 0 is the most there is. */
static void test_negative(void **state)
{
	(void)state;
	expect((struct backlog){ true, -2, 4096 }, true, "asked -2, got 4096: net.core.somaxconn of this namespace");
}

/* What was asked for was not seen: a number that is known is a hint, and no other is. */
static void test_not_seen(void **state)
{
	(void)state;
	expect((struct backlog){ false, 0, 5 }, false, "got 5 (5 may be the default of Python's socketserver)");
	expect((struct backlog){ false, 0, 6 }, false, "");
	expect((struct backlog){ false, 0, COUNT_UNKNOWN }, false, "");
}

static void take(struct group *g, const char *socket, int event, uint64_t len, uint64_t max, uint64_t peak)
{
	struct record_listener l = { .socket = socket, .event = event, .owner = { .known = true, .pid = 100 + socket[0] - 'a' },
				     .accept = { .known = true, .len = len, .max = max, .peak = peak } };

	group_take(g, &l);
}

static void expect_group(const struct group *g, const char *text)
{
	struct buf out = { 0 };

	assert_int_equal(group_say(&out, g), *text != '\0');
	assert_string_equal(buf_text(&out), text);
	buf_free(&out);
}

static void test_group(void **state)
{
	struct group g = { 0 };

	(void)state;
	take(&g, "a", CHANGE_SAMPLE, 17, 16, 17);
	expect_group(&g, ""); /* alone */
	take(&g, "b", CHANGE_SAMPLE, 9, 16, 9);
	expect_group(&g, ""); /* as good as full */
	take(&g, "c", CHANGE_SAMPLE, 0, 16, 8);
	expect_group(&g, "1 of 3 listeners of this port was full (pid 100) while 1 had room: if they share it by SO_REUSEPORT, a "
			 "hash divides connections, not who is free");
	take(&g, "a", CHANGE_SAMPLE, 0, 16, 0); /* it was */
	take(&g, "b", CHANGE_SAMPLE, 0, 16, 17);
	expect_group(&g, "2 of 3 listeners of this port were full while 1 had room: if they share it by SO_REUSEPORT, a hash "
			 "divides connections, not who is free");
	take(&g, "a", CHANGE_CLOSED, 0, 0, 0);
	take(&g, "b", CHANGE_CLOSED, 0, 0, 0);
	expect_group(&g, "");
}

/* Further ones are not kept; that there are some is said. */
static void test_large_group(void **state)
{
	struct group g = { 0 };
	char socket[8] = "x";

	(void)state;
	for (int i = 0; i < 3 * GROUP_MEMBERS; i++) {
		socket[1] = (char)('0' + i);
		take(&g, socket, CHANGE_SAMPLE, 0, 16, i ? 0 : 17);
	}
	assert_int_equal(g.count, GROUP_MEMBERS);
	assert_int_equal(g.member[0].most, 17);
	expect_group(&g, "1 of 32 or more listeners of this port was full (pid 123) while 31 had room: if they share it by "
			 "SO_REUSEPORT, a hash divides connections, not who is free");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_negative),
		cmocka_unit_test(test_not_seen),
		cmocka_unit_test(test_group),
		cmocka_unit_test(test_large_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
