// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* overflow: the kernel's books reconciled with the listeners' drops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/queues/overflow.h"

#define VIEWS 3

struct books {
	struct overflow_counters kernel;
	struct overflow_view view[VIEWS];
	struct overflow_finding found[OVERFLOW_FINDINGS(VIEWS)];
	size_t count;
};

/* Without reasons and without a bound: what acks_most says on kernels that report nothing. */
static void reconcile(struct books *b, size_t views, bool reasons)
{
	for (size_t i = 0; i < views; i++)
		if (!b->view[i].acks_most)
			b->view[i].acks_most = UINT64_MAX;
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

static bool none_proven(const struct books *b)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->found[i].proven)
			return false;
	return b->count > 0;
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

/* Both stages mixed, each ACK reported by its event: S = drops - 2A. */
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
	assert_int_equal(total(&b, 0, STAGE_ACK, CODE_ACCEPT_QUEUE_FULL), 2); /* one was reported */
	assert_true(none_proven(&b)); /* 5 SYNs, and 3 ACKs outside of the window, look the same */
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

/* ACKs that were dropped without a reason are the most that can have been refused. */
static void test_both_stages_with_a_bound(void **state)
{
	struct books b = { .kernel = { .overflows = 8, .drops = 8, .blurs = 2 },
			   .view = { { .drops = 11 + 4, .acks_most = 3, .accept_full = true } } };

	(void)state;
	reconcile(&b, 1, false);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_ACCEPT_QUEUE_FULL), 5);
	assert_int_equal(total(&b, 0, STAGE_ACK, CODE_ACCEPT_QUEUE_FULL), 3);
	assert_true(none_proven(&b));
}

static void test_no_ack_can_have_been_refused(void **state)
{
	struct books b = { .kernel = { .overflows = 7, .drops = 7, .blurs = 1 },
			   .view = { { .drops = 7 + 2, .accept_full = true } } };

	(void)state;
	b.count = overflow_reconcile(&b.kernel, b.view, 1, false, b.found);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_ACCEPT_QUEUE_FULL), 7);
	assert_int_equal(total(&b, 0, STAGE_ACK, CODE_ACCEPT_QUEUE_FULL), 0);
	assert_true(all_proven(&b));
}

/* The SYN queue refuses only SYNs, whatever is known of final ACKs. */
static void test_syn_queue_without_reasons(void **state)
{
	struct books b = { .kernel = { .drops = 9, .reqq_drops = 9 },
			   .view = { { .drops = 9, .syn_full = true } } };

	(void)state;
	reconcile(&b, 1, false);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_SYN_QUEUE_FULL), 9);
	assert_true(all_proven(&b));
}

/* All that the kernel counts was reported by events: nothing is left to say. */
static void test_all_told_by_events(void **state)
{
	struct books b = {
		.kernel = { .overflows = 4 + 3 + 2, .drops = 4 + 3 + 2 + 5 + 6 + 1 + 1, .reqq_drops = 5 },
		.view = { { .drops = 4 + 2 * 3 + 2 + 5 + 6 + 2 * 1 + 1, .syns_known = true,
			    .syns = { [CODE_ACCEPT_QUEUE_FULL] = 4, [CODE_SYN_QUEUE_FULL] = 5,
				      [CODE_SYN_QUEUE_THREE_QUARTERS] = 6 },
			    .acks = 3, .cookie_acks = 2, .failed = 1, .syn_failed = 1,
			    .accept_full = true, .syn_full = true, .three_quarters = true } },
	};

	(void)state;
	reconcile(&b, 1, true);
	assert_int_equal(b.count, 0);
	assert_int_equal(b.kernel.no_full_queue, 2);
	assert_settled(&b);
}

/* The look came between the drop and its event, which says at the next look that it was reported. */
static void test_event_on_its_way(void **state)
{
	struct books b = { .kernel = { .overflows = 3, .drops = 4 },
			   .view = { { .drops = 4, .fresh = 4, .syns_known = true,
				       .syns = { [CODE_ACCEPT_QUEUE_FULL] = 2 },
				       .accept_full = true, .three_quarters = true } } };

	(void)state;
	reconcile(&b, 1, true);
	assert_int_equal(b.count, 0);
	assert_int_equal(b.view[0].drops, 2);
	assert_int_equal(b.kernel.overflows, 1);
	assert_int_equal(b.kernel.drops, 2);
	b.view[0] = (struct overflow_view){ .drops = 2, .syns_known = true, .accept_full = true,
					    .syns = { [CODE_ACCEPT_QUEUE_FULL] = 1,
						      [CODE_SYN_QUEUE_THREE_QUARTERS] = 1 } };
	reconcile(&b, 1, true);
	assert_int_equal(b.count, 0);
	assert_int_equal(b.kernel.no_full_queue, 0);
	assert_settled(&b);
}

/* Meanwhile another listener's older drops, which were no refusals, do not get the blame. */
static void test_event_on_its_way_of_another(void **state)
{
	struct books b = { .kernel = { .overflows = 1, .drops = 1 },
			   .view = { { .drops = 1, .fresh = 1, .syns_known = true, .accept_full = true },
				     { .drops = 2, .syns_known = true, .accept_full = true } } };

	(void)state;
	reconcile(&b, 2, true);
	assert_int_equal(b.count, 0);
	assert_int_equal(b.kernel.overflows, 1);
}

/* No event came, and nothing new was dropped since: then the books report it. */
static void test_event_that_never_came(void **state)
{
	struct books b = { .kernel = { .overflows = 1, .drops = 1 },
			   .view = { { .drops = 1, .syns_known = true, .accept_full = true } } };

	(void)state;
	reconcile(&b, 1, true);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_ACCEPT_QUEUE_FULL), 1);
	assert_settled(&b);
}

/* Without reasons a cookie's ACK looks like a SYN: reported, but not as proven. */
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

/* ListenDrops and OutNoRoutes alone: as many SYNs had no route back, probably, and the rest is unexplained. */
static void test_no_route_back(void **state)
{
	struct books b = { .kernel = { .drops = 5, .no_routes = 3 }, .view = { { .drops = 5 } } };

	(void)state;
	reconcile(&b, 1, true);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_NO_ROUTE_BACK), 3);
	assert_int_equal(b.found[0].queue, QUEUE_NONE);
	assert_true(none_proven(&b));
	assert_int_equal(b.kernel.no_full_queue, 2);
	assert_int_equal(b.kernel.no_routes, 0);

	/* Others could not be routed, either. A full queue comes first. */
	b = (struct books){ .kernel = { .overflows = 2, .drops = 6, .no_routes = 90 },
			    .view = { { .drops = 6, .three_quarters = true } } };
	reconcile(&b, 1, true);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_ACCEPT_QUEUE_FULL), 2);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_NO_ROUTE_BACK), 4);
	assert_settled(&b);
	/* The kernel may have counted the drops of those that are left since: the next time, and not again. */
	assert_int_equal(b.kernel.no_routes, 86);
	b.kernel.drops = b.view[0].drops = 1;
	reconcile(&b, 1, true);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_NO_ROUTE_BACK), 1);
	assert_int_equal(b.kernel.no_routes, 0);
}

/* Dropped after the look at the listener: found at the next look, or never. */
static void test_no_route_back_after_the_look(void **state)
{
	struct books b = { .kernel = { .drops = 4, .no_routes = 4 }, .view = { { .drops = 1 } } };

	(void)state;
	reconcile(&b, 1, true);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_NO_ROUTE_BACK), 1);
	assert_int_equal(b.kernel.drops, 3);
	assert_int_equal(b.kernel.no_full_queue, 0);
	b.view[0].drops = 2;
	reconcile(&b, 1, true);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_NO_ROUTE_BACK), 2);
	assert_int_equal(b.kernel.no_full_queue, 1);
	assert_settled(&b);
}

/* Where events report each, none is found in sums, whatever else sk_drops count. */
static void test_no_route_back_by_events(void **state)
{
	struct books b = { .kernel = { .drops = 7, .no_routes = 7 },
			   .view = { { .drops = 9, .syns_known = true, .syns = { [CODE_NO_ROUTE_BACK] = 5 } } } };

	(void)state;
	reconcile(&b, 1, true);
	assert_int_equal(b.count, 0);
	assert_int_equal(b.kernel.drops, 2); /* the kernel counted them since the look */
	b.view[0] = (struct overflow_view){ .drops = 2, .syns_known = true, .syns = { [CODE_NO_ROUTE_BACK] = 2 } };
	reconcile(&b, 1, true);
	assert_int_equal(b.count, 0);
	assert_int_equal(b.kernel.no_full_queue, 0);
	assert_settled(&b);
}

static void test_no_route_back_unseen(void **state)
{
	struct overflow_counters kernel = { .drops = 9, .no_routes = 7, .overflows = 1 }, before = { .drops = 0 };
	struct overflow_view reported = { .drops = 0 };
	struct overflow_finding found[OVERFLOW_FINDINGS(0) + 4];

	(void)state;
	assert_int_equal(overflow_unseen(&kernel, &reported, &before, found), 1);
	assert_int_equal(found[0].code, CODE_NO_ROUTE_BACK);
	assert_int_equal(found[0].count, 7);
	assert_true(found[0].view == OVERFLOW_NOBODY && !found[0].proven);
	assert_int_equal(kernel.no_full_queue, 1);

	kernel = (struct overflow_counters){ .drops = 9, .no_routes = 7 };
	reported.syns_known = true; /* events report them, or have */
	assert_int_equal(overflow_unseen(&kernel, &reported, &before, found), 0);
}

/* One refused ACK with 10 segments of data, and the other listener's SYNs: those are all that is left. */
static void test_merged_segments(void **state)
{
	struct books b = { .kernel = { .overflows = 4, .drops = 4 },
			   .view = { { .drops = 11, .acks = 1, .merged = 9 },
				     { .drops = 3, .accept_full = true } } };

	(void)state;
	reconcile(&b, 2, true);
	assert_int_equal(b.count, 1);
	assert_int_equal(total(&b, 1, STAGE_SYN, CODE_ACCEPT_QUEUE_FULL), 3);
	assert_true(all_proven(&b));
	assert_settled(&b);
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

	b = (struct books){ .kernel = { .reqq_cookies = 50 }, .view = { { .cookies_always = true } } };
	reconcile(&b, 2, true);
	assert_int_equal(b.count, 0);
	assert_int_equal(b.kernel.plain_cookies, 50);

	b = (struct books){ .kernel = { .reqq_cookies = 50 } };
	reconcile(&b, 2, true); /* either may have sent them */
	assert_true(b.found[0].view == OVERFLOW_NOBODY);
	assert_settled(&b);
}

/*
 * One kind of drop, several listeners: their own counts show whose. One whose queue was not full may have dropped another
 * thing, and a full one refused a SYN right after the look at it.
 */
static void test_two_listeners_one_kind(void **state)
{
	struct books b = { .kernel = { .overflows = 10, .drops = 10 },
			   .view = { { .drops = 4, .accept_full = true }, { .drops = 6 } } };

	(void)state;
	reconcile(&b, 2, true);
	assert_int_equal(total(&b, 0, STAGE_SYN, CODE_ACCEPT_QUEUE_FULL), 4);
	assert_int_equal(total(&b, 1, STAGE_SYN, CODE_ACCEPT_QUEUE_FULL), 6);
	assert_int_equal(b.count, 2);
	assert_true(b.found[0].proven);
	assert_false(b.found[1].proven);
	assert_settled(&b);

	b = (struct books){ .kernel = { .overflows = 1, .drops = 1 }, .view = { { .drops = 1 }, { .accept_full = true } } };
	reconcile(&b, 2, true);
	assert_false(all_proven(&b));
}

/* Two kinds, two listeners: only the looks show which is whose, so it is probable. */
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

	b = (struct books){ .view = { { .drops = 9, .syns = { 4 }, .syns_known = true,
					.accept_full = true } } };
	b.count = overflow_guess(b.view, 1, b.found);
	assert_int_equal(b.count, 0); /* events reported all; the rest are no refusals */
}

/* Nobody can look at the listeners: what two readings of the counters leave is somebody's refusal. */
static void test_unseen(void **state)
{
	struct overflow_counters kernel = { .overflows = 5, .drops = 9, .reqq_drops = 2 }, before = { .drops = 0 };
	struct overflow_view reported = { .acks = 1 };
	struct overflow_finding found[OVERFLOW_FINDINGS(0) + 4];

	(void)state;
	assert_int_equal(overflow_unseen(&kernel, &reported, &before, found), 0);
	assert_int_equal(kernel.overflows, 4); /* an event reported one */
	assert_int_equal(kernel.no_full_queue, 2);
	reported.syns[CODE_ACCEPT_QUEUE_FULL] = 1; /* whose event was on its way */
	assert_int_equal(overflow_unseen(&kernel, &reported, &before, found), 2);
	assert_int_equal(found[0].count, 3);
	assert_int_equal(found[0].code, CODE_ACCEPT_QUEUE_FULL);
	assert_int_equal(found[1].count, 2);
	assert_int_equal(found[1].code, CODE_SYN_QUEUE_FULL);
	for (int i = 0; i < 2; i++) {
		assert_true(found[i].view == OVERFLOW_NOBODY);
		assert_int_equal(found[i].evidence, EVIDENCE_COUNTERS);
		assert_false(found[i].proven);
	}
	assert_int_equal(kernel.overflows + kernel.drops + kernel.reqq_drops, 0);
	assert_int_equal(reported.syns[CODE_ACCEPT_QUEUE_FULL], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_syns_of_a_full_accept_queue),
		cmocka_unit_test(test_both_stages),
		cmocka_unit_test(test_both_stages_without_reasons),
		cmocka_unit_test(test_both_stages_with_a_bound),
		cmocka_unit_test(test_no_ack_can_have_been_refused),
		cmocka_unit_test(test_syn_queue_without_reasons),
		cmocka_unit_test(test_all_told_by_events),
		cmocka_unit_test(test_event_on_its_way),
		cmocka_unit_test(test_event_on_its_way_of_another),
		cmocka_unit_test(test_event_that_never_came),
		cmocka_unit_test(test_cookie_acks),
		cmocka_unit_test(test_cookie_acks_without_reasons),
		cmocka_unit_test(test_failed_children_are_no_overflow),
		cmocka_unit_test(test_syn_queue),
		cmocka_unit_test(test_three_quarters),
		cmocka_unit_test(test_no_route_back),
		cmocka_unit_test(test_no_route_back_after_the_look),
		cmocka_unit_test(test_no_route_back_by_events),
		cmocka_unit_test(test_no_route_back_unseen),
		cmocka_unit_test(test_merged_segments),
		cmocka_unit_test(test_cookies_instead),
		cmocka_unit_test(test_two_listeners_one_kind),
		cmocka_unit_test(test_two_listeners_two_kinds),
		cmocka_unit_test(test_late_drop),
		cmocka_unit_test(test_resets_are_no_overflow),
		cmocka_unit_test(test_without_counters),
		cmocka_unit_test(test_unseen),
	};

	return cmocka_run_group_tests_name("overflow", tests, NULL, NULL);
}
