// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which RSTs have no line of their own in tail, and that all else keeps its order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <linux/types.h>

#include "bpf/event.h"
#include "cli/tail/fold.h"
#include "common/clock.h"

static struct fold *fold;
static struct buf out;

static int begin(void **state)
{
	(void)state;
	fold = fold_new();
	return fold ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	fold_free(fold);
	buf_free(&out);
	out = (struct buf){ 0 };
	return 0;
}

static void put(struct record r, uint64_t ms, const char *line)
{
	struct buf lines = { 0 };

	r.mono_ns = NSEC_PER_SEC + ms * 1000000;
	buf_str(&lines, line);
	fold_put(fold, &r, &lines, &out);
	buf_free(&lines);
}

static struct record rst(const char *conn)
{
	return (struct record){ .type = RECORD_RESET, .reset.conn = conn };
}

static struct record handshake(int outcome, const char *conn)
{
	return (struct record){ .type = RECORD_HANDSHAKE,
				.handshake = { .outcome = outcome, .conn = conn } };
}

static void expect(const char *text)
{
	buf_mem(&out, "", 1);
	assert_false(out.failed);
	assert_string_equal(out.data, text);
	buf_clear(&out);
}

static void test_the_line_of_the_handshake_is_the_only_one(void **state)
{
	(void)state;
	put(rst("a1"), 0, "sent\n");
	put(rst("a1"), 1, "received\n");
	assert_true(fold_waits(fold));
	put(handshake(OUTCOME_REFUSED, "a1"), 2, "refused\n");
	assert_false(fold_waits(fold));
	expect("refused\n");
}

static void test_a_rst_that_ended_nothing_is_shown_in_its_place(void **state)
{
	(void)state;
	put(rst("a1"), 0, "nobody's\n");
	put(handshake(OUTCOME_ESTABLISHED, "a1"), 1, "another attempt\n");
	put(rst("b2"), 2, "folded\n");
	put(handshake(OUTCOME_RESET, "b2"), 3, "reset\n");
	expect("");
	put(handshake(OUTCOME_REFUSED, NULL), 99, "no conn\n");
	expect("");
	put(handshake(OUTCOME_ESTABLISHED, "c3"), 100, "later\n");
	expect("nobody's\nanother attempt\nreset\nno conn\nlater\n");
}

static void test_a_rst_of_a_connection_does_not_wait(void **state)
{
	(void)state;
	put(rst(NULL), 0, "of a connection\n");
	expect("of a connection\n");
	put(handshake(OUTCOME_REFUSED, "a1"), 1, "refused\n");
	put(rst("a1"), 2, "late\n");
	fold_end(fold, &out);
	expect("refused\nlate\n");
}

static void test_another_feed_starts_anew(void **state)
{
	(void)state;
	put(rst("a1"), 5000, "before\n");
	put((struct record){ .type = RECORD_HELLO }, 0, "hello\n");
	put(rst("a1"), 1, "folded\n");
	put(handshake(OUTCOME_REFUSED, "a1"), 2, "refused\n");
	expect("before\nhello\nrefused\n");
}

/* However many wait, memory is bounded, and none is lost. */
static void test_a_storm(void **state)
{
	size_t lines = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		char conn[17];

		snprintf(conn, sizeof(conn), "%x", i + 1);
		put(rst(conn), 0, "rst\n");
	}
	assert_true(out.len >= 15000 * strlen("rst\n"));
	fold_end(fold, &out);
	for (size_t i = 0; i < out.len; i++)
		lines += out.data[i] == '\n';
	assert_int_equal(lines, 20000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_line_of_the_handshake_is_the_only_one),
		TEST(test_a_rst_that_ended_nothing_is_shown_in_its_place),
		TEST(test_a_rst_of_a_connection_does_not_wait),
		TEST(test_another_feed_starts_anew),
		TEST(test_a_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
