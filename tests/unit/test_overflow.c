// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* overflow: the kernel's books reconciled with the listeners' drops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/overflow.h"

#define VIEWS 3

struct books {
	struct overflow_counters kernel;
	struct overflow_view view[VIEWS];
	struct overflow_finding found[OVERFLOW_FINDINGS(VIEWS)];
	size_t count;
};

static void reconcile(struct books *b, size_t views, bool reasons)
{
	b->count = overflow_reconcile(&b->kernel, b->view, views, reasons, b->found);
}

static uint64_t total(const struct books *b, size_t view, enum overflow_stage stage,
		      enum overflow_code code)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < b->count; i++)
		if (b->found[i].view == view && b->found[i].stage == stage && b->found[i].code == code)
			sum += b->found[i].count;
	return sum;
}

static bool all_proven(const struct books *b)
{
	for (size_t i = 0; i < b->count; i++)
		if (!b->found[i].proven)
			return false;
	return b->count > 0;
}

static void assert_settled(const struct books *b)
{
	assert_int_equal(b->kernel.overflows, 0);
	assert_int_equal(b->kernel.drops, 0);
	assert_int_equal(b->kernel.reqq_drops, 0);
	assert_int_equal(b->kernel.reqq_cookies, 0);
	for (size_t i = 0; i < VIEWS; i++)
		assert_int_equal(b->view[i].drops, 0);
}

static void test_nothing(void **state)
{
	struct books b = {};

	(void)state;
	reconcile(&b, VIEWS, true);
	assert_int_equal(b.count, 0);
	reconcile(&b, 0, false);
	assert_int_equal(b.count, 0);
}

static void test_syns_of_a_full_accept_queue(void **state)
{
	struct books b = { .kernel = { .overflows = 7, .drops = 7 },
			   .view = { { .drops = 7, .accept_full = true } } };

	(void)state;
	reconcile(&b, 1, true);
	assert_int_equal(b.count, 1);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_ACCEPT_QUEUE_FULL), 7);
	assert_true(all_proven(&b));
	assert_settled(&b);
}

/* Both stages mixed, each ACK told by its event: S = drops - 2A. */
static void test_both_stages(void **state)
{
	struct books b = { .kernel = { .overflows = 5 + 3, .drops = 5 + 3 },
			   .view = { { .drops = 5 + 2 * 3, .acks = 3, .accept_full = true } } };

	(void)state;
	reconcile(&b, 1, true);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_ACCEPT_QUEUE_FULL), 5);
	assert_int_equal(total(&b, 0, STAGE_ACK, CODE_ACCEPT_QUEUE_FULL), 0);
	assert_true(all_proven(&b));
	assert_settled(&b);
}

/* The same where the kernel names no reason: A = sk_drops - ListenDrops. */
static void test_both_stages_without_reasons(void **state)
{
	struct books b = { .kernel = { .overflows = 8, .drops = 8 },
			   .view = { { .drops = 11, .evident = 1, .accept_full = true } } };

	(void)state;
	reconcile(&b, 1, false);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_ACCEPT_QUEUE_FULL), 5);
	assert_int_equal(total(&b, 0, STAGE_ACK, CODE_ACCEPT_QUEUE_FULL), 2); /* one was told */
	assert_true(all_proven(&b));
	assert_settled(&b);
}

static void test_cookie_acks(void **state)
{
	struct books b = { .kernel = { .overflows = 4, .drops = 4 },
			   .view = { { .drops = 4, .cookie_acks = 4, .accept_full = true } } };

	(void)state;
	reconcile(&b, 1, true);
	assert_int_equal(b.count, 0);
	assert_settled(&b);
}

/* Without reasons a cookie's ACK looks like a SYN: told, but not as proven. */
static void test_cookie_acks_without_reasons(void **state)
{
	struct books b = { .kernel = { .overflows = 4, .drops = 4, .blurs = 4 },
			   .view = { { .drops = 4, .accept_full = true } } };

	(void)state;
	reconcile(&b, 1, false);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_ACCEPT_QUEUE_FULL), 4);
	assert_false(all_proven(&b));
}

static void test_failed_children_are_no_overflow(void **state)
{
	struct books b = { .kernel = { .drops = 2 }, .view = { { .drops = 4, .failed = 2 } } };

	(void)state;
	reconcile(&b, 1, true);
	assert_int_equal(b.count, 0);
	assert_settled(&b);
}

static void test_syn_queue(void **state)
{
	struct books b = { .kernel = { .drops = 9, .reqq_drops = 9 },
			   .view = { { .drops = 9, .syn_full = true } } };

	(void)state;
	reconcile(&b, 1, true);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_SYN_QUEUE_FULL), 9);
	assert_true(all_proven(&b));
	assert_settled(&b);
}

/* ListenDrops alone: the rule, if it applied; else a route or a module, and no overflow. */
static void test_three_quarters(void **state)
{
	struct books b = { .kernel = { .drops = 3 }, .view = { { .drops = 3, .three_quarters = true } } };

	(void)state;
	reconcile(&b, 1, true);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_SYN_QUEUE_THREE_QUARTERS), 3);
	assert_false(all_proven(&b));

	b = (struct books){ .kernel = { .drops = 3 }, .view = { { .drops = 3 } } };
	reconcile(&b, 1, true);
	assert_int_equal(b.count, 0);
}

static void test_cookies_instead(void **state)
{
	struct books b = { .kernel = { .reqq_cookies = 50 }, .view = { { 0 }, { .syn_full = true } } };

	(void)state;
	reconcile(&b, 2, true);
	assert_int_equal(b.count, 1);
	assert_int_equal(b.found[0].view, 1);
	assert_int_equal(b.found[0].action, ACTION_COOKIE);
	assert_false(b.found[0].proven);

	b = (struct books){ .kernel = { .reqq_cookies = 50 } };
	reconcile(&b, 2, true); /* either may have sent them */
	assert_true(b.found[0].view == OVERFLOW_NOBODY);
	assert_settled(&b);
}

/* One kind of drop, several listeners: whose is told by their own counts. */
static void test_two_listeners_one_kind(void **state)
{
	struct books b = { .kernel = { .overflows = 10, .drops = 10 },
			   .view = { { .drops = 4, .accept_full = true }, { .drops = 6 } } };

	(void)state;
	reconcile(&b, 2, true);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_ACCEPT_QUEUE_FULL), 4);
	assert_int_equal(total(&b, 1, STAGE_SYN, CODE_ACCEPT_QUEUE_FULL), 6);
	assert_true(all_proven(&b));
	assert_settled(&b);
}

/* Two kinds, two listeners: only the looks tell which is whose, so it is probable. */
static void test_two_listeners_two_kinds(void **state)
{
	struct books b = { .kernel = { .overflows = 4, .drops = 10, .reqq_drops = 6 },
			   .view = { { .drops = 6, .syn_full = true }, { .drops = 4, .accept_full = true } } };

	(void)state;
	reconcile(&b, 2, true);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_SYN_QUEUE_FULL), 6);
	assert_int_equal(total(&b, 1, STAGE_SYN, CODE_ACCEPT_QUEUE_FULL), 4);
	assert_int_equal(b.count, 2);
	assert_false(b.found[0].proven);
	assert_false(b.found[1].proven);
	assert_settled(&b);
}

/* A drop between the look at the listener and that at the counters waits for the next time. */
static void test_late_drop(void **state)
{
	struct books b = { .kernel = { .overflows = 3, .drops = 3 },
			   .view = { { .drops = 2, .accept_full = true } } };

	(void)state;
	reconcile(&b, 1, true);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_ACCEPT_QUEUE_FULL), 2);
	assert_int_equal(b.kernel.overflows, 1);
	b.view[0] = (struct overflow_view){ .drops = 1, .accept_full = true };
	reconcile(&b, 1, true);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_ACCEPT_QUEUE_FULL), 1);
	assert_settled(&b);
}

/* A client's RST to a pending request counts in sk_drops, but refuses nobody. */
static void test_resets_are_no_overflow(void **state)
{
	struct books b = { .kernel = { .blurs = 4 }, .view = { { .drops = 8, .accept_full = true } } };

	(void)state;
	reconcile(&b, 1, true);
	assert_int_equal(b.count, 0);

	b = (struct books){ .kernel = { .overflows = 5, .drops = 5, .blurs = 4 },
			    .view = { { .drops = 13, .accept_full = true } } };
	reconcile(&b, 1, false); /* without reasons they blur which stage it was */
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_ACCEPT_QUEUE_FULL) +
				 total(&b, 0, STAGE_ACK, CODE_ACCEPT_QUEUE_FULL), 5);
	assert_false(all_proven(&b));
}

static void test_without_counters(void **state)
{
	struct books b = { .view = { { .drops = 9, .acks = 2, .accept_full = true }, { .drops = 3 } } };

	(void)state;
	b.count = overflow_guess(b.view, 2, b.found);
	assert_int_equal(b.count, 1);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_ACCEPT_QUEUE_FULL), 5);
	assert_false(all_proven(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_syns_of_a_full_accept_queue),
		cmocka_unit_test(test_both_stages),
		cmocka_unit_test(test_both_stages_without_reasons),
		cmocka_unit_test(test_cookie_acks),
		cmocka_unit_test(test_cookie_acks_without_reasons),
		cmocka_unit_test(test_failed_children_are_no_overflow),
		cmocka_unit_test(test_syn_queue),
		cmocka_unit_test(test_three_quarters),
		cmocka_unit_test(test_cookies_instead),
		cmocka_unit_test(test_two_listeners_one_kind),
		cmocka_unit_test(test_two_listeners_two_kinds),
		cmocka_unit_test(test_late_drop),
		cmocka_unit_test(test_resets_are_no_overflow),
		cmocka_unit_test(test_without_counters),
	};

	return cmocka_run_group_tests_name("overflow", tests, NULL, NULL);
}
