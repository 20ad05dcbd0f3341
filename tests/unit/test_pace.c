// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* pace: looks that are dear become rare, and come back; one dear look changes little. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/queues/pace.h"

#define MS 1000000ULL
#define SECOND (1000 * MS)

static struct pace asked(uint64_t ns)
{
	return (struct pace){ .wanted_ns = ns, .interval_ns = ns };
}

static uint64_t after(struct pace *p, int looks, uint64_t cost_ns)
{
	uint64_t last = 0;

	while (looks--)
		last = pace_next(p, cost_ns);
	return last;
}

static void test_cheap_looks_are_as_asked(void **state)
{
	struct pace p = asked(SECOND);

	(void)state;
	assert_int_equal(after(&p, 100, 7 * MS), SECOND);
	assert_int_equal(pace_next(&p, 12 * MS), SECOND); /* one dear one */
}

static void test_dear_looks_become_rare(void **state)
{
	struct pace p = asked(SECOND);

	(void)state;
	assert_in_range(after(&p, 60, 40 * MS), 4900 * MS, 5000 * MS);
	/* what they take is less than one per cent */
	assert_true(p.interval_ns > p.cost_ns * 100);
	assert_int_equal(after(&p, 60, 2 * MS), SECOND); /* and often again */
}

/* Never more than one per cent on average, however the cost moves. */
static void test_share(void **state)
{
	struct pace p = asked(SECOND);
	uint64_t cost = 20 * MS, spent = 0, passed = 0;

	(void)state;
	after(&p, 40, cost);
	for (int i = 0; i < 1000; i++) {
		cost = (20 + (uint64_t)(i * 7919 % 41)) * MS; /* 20 to 60 ms */
		passed += pace_next(&p, cost);
		spent += cost;
	}
	assert_true(spent * 100 <= passed);
}

static void test_small_changes_are_none(void **state)
{
	struct pace p = asked(SECOND);
	uint64_t interval;

	(void)state;
	interval = after(&p, 100, 40 * MS);
	assert_int_equal(after(&p, 100, 35 * MS), interval);
	assert_true(after(&p, 100, 25 * MS) < interval);
}

static void test_bounds(void **state)
{
	struct pace p = asked(SECOND);

	(void)state;
	assert_int_equal(after(&p, 100, 10 * SECOND), PACE_MAX_NS);
	p = asked(120 * SECOND); /* what was asked is never shortened */
	assert_int_equal(after(&p, 100, 10 * SECOND), 120 * SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cheap_looks_are_as_asked),
		cmocka_unit_test(test_dear_looks_become_rare),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_small_changes_are_none),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
