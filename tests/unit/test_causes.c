// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The table of causes is whole, and the advice follows what is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/explain/advice.h"
#include "common/names.h"

static bool no_value(void *ctx, const struct explain_cause *c, const char *name, char *out,
		     size_t size)
{
	(void)ctx;
	(void)c;
	(void)name;
	(void)out;
	(void)size;
	return false;
}

/* The value is the context; the name is one that /proc/sys would take. */
static bool given_value(void *ctx, const struct explain_cause *c, const char *name, char *out,
			size_t size)
{
	(void)c;
	assert_true(strncmp(name, "net.", 4) == 0);
	assert_null(strpbrk(name, " /*"));
	snprintf(out, size, "%s", (const char *)ctx);
	return true;
}

static struct explain_cause cause(const char *code, enum cause_by by)
{
	struct explain_cause c = { .row = cause_find(code), .by = by, .limit = COUNT_UNKNOWN,
				   .oldest_wait_ns = NS_UNKNOWN };

	snprintf(c.code, sizeof(c.code), "%s", code);
	return c;
}

static char *advice(const struct explain_cause *c, const struct explain_host *host)
{
	struct buf b = { 0 };

	explain_advice(c, host, &b);
	buf_mem(&b, "", 1);
	assert_false(b.failed);
	return b.data;
}

/* Every code has a row, and each row says everything. */
static void test_every_code(void **state)
{
	static const struct explain_host host = { .sysctl = given_value, .ctx = "1" };

	(void)state;
	for (int i = CAUSE_NONE + 1; i < CAUSE_CODES; i++) {
		const struct cause_row *row = cause_find(cause_names[i]);

		assert_non_null(row);
		assert_true(row->meaning && *row->meaning);
		assert_true(row->advice && row->advice[strlen(row->advice) - 1] == '.');
		assert_in_range(row->weight, 0, 3);
		assert_true(row->paint != PAINT_NONE);
		for (enum cause_by by = CAUSE_BY_LISTENER; by < CAUSE_BY_ROLE; by++) {
			struct explain_cause c = cause(cause_names[i], by);
			struct explain_fact fact;
			size_t facts = 0;
			char *text = advice(&c, &host);

			while (explain_fact(&c, &host, facts, &fact)) {
				assert_true(*fact.name && *fact.why);
				facts++;
			}
			/* The few that a side does not have may leave a row without any. */
			if (by == row->by || row->by == CAUSE_BY_ROLE)
				assert_in_range(facts, 1, LOOKS);
			assert_true(strlen(text) > 20 && !strchr(text, '\n'));
			free(text);
		}
	}
	assert_null(cause_find("gremlins"));
	assert_null(cause_find(""));
	assert_null(cause_find(cause_names[CAUSE_NONE]));
}

static void test_values(void **state)
{
	static const struct explain_host ours = { .sysctl = given_value, .ctx = "4096" };
	static const struct explain_host foreign = { 0 }, unreadable = { .sysctl = no_value };
	struct explain_cause c = cause("accept_queue_full", CAUSE_BY_LISTENER);
	struct explain_fact fact;

	(void)state;
	/* The feed has the limit, in whichever namespace. */
	assert_true(explain_fact(&c, &ours, 0, &fact));
	assert_string_equal(fact.name, "listen() backlog");
	assert_false(fact.has_value);
	c.limit = 16;
	assert_true(explain_fact(&c, &foreign, 0, &fact));
	assert_string_equal(fact.value, "16");
	assert_true(explain_fact(&c, &ours, 1, &fact));
	assert_string_equal(fact.name, "net.core.somaxconn");
	assert_string_equal(fact.value, "4096");
	assert_true(explain_fact(&c, &foreign, 1, &fact));
	assert_false(fact.has_value);
	assert_true(explain_fact(&c, &unreadable, 1, &fact));
	assert_false(fact.has_value);
	assert_false(explain_fact(&c, &ours, LOOKS, &fact));
}

/* The other side's sysctls are not on this host. */
static void test_values_of_this_side(void **state)
{
	static const struct explain_host host = { .sysctl = given_value, .ctx = "6" };

	(void)state;
	for (int i = CAUSE_NONE + 1; i < CAUSE_CODES; i++) {
		struct explain_fact fact;
		struct explain_cause c = cause(cause_names[i], CAUSE_BY_DESTINATION);

		for (size_t n = 0; explain_fact(&c, &host, n, &fact); n++)
			assert_string_not_equal(fact.name, "net.ipv4.tcp_synack_retries");
		c.by = CAUSE_BY_LISTENER;
		for (size_t n = 0; explain_fact(&c, &host, n, &fact); n++)
			assert_string_not_equal(fact.name, "net.ipv4.tcp_syn_retries");
	}
}

static void test_family_of_neighbours(void **state)
{
	static const struct explain_host host = { .sysctl = given_value, .ctx = "1024" };
	struct explain_cause c = cause("neighbour_failed", CAUSE_BY_DESTINATION);
	struct explain_fact fact;

	(void)state;
	snprintf(c.addr, sizeof(c.addr), "10.0.0.2");
	assert_true(explain_fact(&c, &host, 1, &fact));
	assert_string_equal(fact.name, "net.ipv4.neigh.default.gc_thresh3");
	snprintf(c.addr, sizeof(c.addr), "2001:db8::2");
	assert_true(explain_fact(&c, &host, 1, &fact));
	assert_string_equal(fact.name, "net.ipv6.neigh.default.gc_thresh3");
}

static void test_accept_queue(void **state)
{
	static const struct {
		uint64_t wait, limit;
		const char *somaxconn, *says, *says_not;
	} cases[] = {
		{ NS_UNKNOWN, 16, "4096", "was not seen", "accept() is not stalled" },
		{ 3000000000, 16, "4096", "waited 3.00 s for accept()", "raise" },
		{ 1000000000, 16, "4096", "stalled or too slow", "raise" },
		{ 999999999, 16, "4096", "accept() is not stalled", "at net.core.somaxconn" },
		{ 2000000, 16, "4096", "not what limits it", "at net.core.somaxconn" },
		{ 2000000, 4096, "4096", "at net.core.somaxconn", "not what limits it" },
		{ 2000000, 4097, "4096", "at net.core.somaxconn", "not what limits it" },
		{ 2000000, COUNT_UNKNOWN, "4096", "which net.core.somaxconn clamps", "not what" },
		{ 2000000, 16, NULL, "which net.core.somaxconn clamps", "not what" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct explain_cause c = cause("accept_queue_full", CAUSE_BY_LISTENER);
		char value[16];
		struct explain_host host = { 0 };
		char *text;

		if (cases[i].somaxconn) {
			snprintf(value, sizeof(value), "%s", cases[i].somaxconn);
			host = (struct explain_host){ .sysctl = given_value, .ctx = value };
		}
		c.oldest_wait_ns = cases[i].wait;
		c.limit = cases[i].limit;
		text = advice(&c, &host);
		if (!strstr(text, cases[i].says) || strstr(text, cases[i].says_not))
			fail_msg("case %zu: %s", i, text);
		free(text);
	}
}

static void test_unknown_code(void **state)
{
	static const struct explain_host host = { .sysctl = given_value, .ctx = "1" };
	struct explain_cause c = cause("gremlins", CAUSE_BY_DESTINATION);
	struct explain_fact fact;
	char *text = advice(&c, &host);

	(void)state;
	assert_false(explain_fact(&c, &host, 0, &fact));
	assert_non_null(strstr(text, "does not know"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_code),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_values_of_this_side),
		cmocka_unit_test(test_family_of_neighbours),
		cmocka_unit_test(test_accept_queue),
		cmocka_unit_test(test_unknown_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
