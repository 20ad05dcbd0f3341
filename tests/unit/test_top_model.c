// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The model of top: what falls into a window, what a row counts, and what stands on the map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/topping.h"

static struct top_model *begin(void)
{
	struct top_model *m = top_model_new();

	assert_non_null(m);
	return m;
}

/* A whole second's worth, at its first and at its last nanosecond. */
static void test_windows_are_whole_seconds(void **state)
{
	struct top_model *m = begin();
	const uint64_t now = 1000 * SECOND + 300000000;

	(void)state;
	for (uint64_t second = 600; second <= 1000; second++) {
		put(m, handshake(second * SECOND, ROLE_ACTIVE, OUTCOME_ESTABLISHED, 1000));
		put(m, handshake(second * SECOND + SECOND - 1, ROLE_PASSIVE, OUTCOME_TIMEOUT, 1000));
	}
	for (enum top_window w = TOP_1S; w <= TOP_5M; w++) {
		assert_int_equal(count_of(m, w, now, TOP_COUNT_ACTIVE), top_window_seconds[w]);
		assert_int_equal(count_of(m, w, now, TOP_COUNT_PASSIVE), top_window_seconds[w]);
		assert_int_equal(count_of(m, w, now, TOP_COUNT_FAILED), top_window_seconds[w]);
		/* The whole second, wherever in it we are. */
		assert_int_equal(count_of(m, w, 1000 * SECOND, TOP_COUNT_ACTIVE),
				 top_window_seconds[w]);
	}
	assert_int_equal(count_of(m, TOP_START, now, TOP_COUNT_ACTIVE), 401);
	/* The second that is not over counts since start only; when it is over, it counts. */
	assert_int_equal(count_of(m, TOP_1S, 1001 * SECOND, TOP_COUNT_ACTIVE), 1);
	assert_int_equal(count_of(m, TOP_1S, 1002 * SECOND, TOP_COUNT_ACTIVE), 0);
	top_model_free(m);
}

static void test_late_records(void **state)
{
	struct top_model *m = begin();

	(void)state;
	put(m, handshake(1000 * SECOND, ROLE_ACTIVE, OUTCOME_ESTABLISHED, 1000));
	put(m, handshake(995 * SECOND, ROLE_ACTIVE, OUTCOME_TIMEOUT, 1000));
	assert_int_equal(count_of(m, TOP_10S, 1001 * SECOND, TOP_COUNT_ACTIVE), 2);
	assert_int_equal(count_of(m, TOP_10S, 1006 * SECOND, TOP_COUNT_FAILED), 0);
	/* Its second was taken by another, long after: since start knows it all the same. */
	put(m, handshake((1000 - 320) * SECOND, ROLE_ACTIVE, OUTCOME_TIMEOUT, 1000));
	assert_int_equal(count_of(m, TOP_5M, 1001 * SECOND, TOP_COUNT_ACTIVE), 2);
	assert_int_equal(count_of(m, TOP_START, 1001 * SECOND, TOP_COUNT_ACTIVE), 3);
	/* A second that came back after the ring went round it is empty. */
	put(m, handshake(2000 * SECOND, ROLE_ACTIVE, OUTCOME_ESTABLISHED, 1000));
	assert_int_equal(count_of(m, TOP_5M, 1001 * SECOND, TOP_COUNT_ACTIVE), 2);
	assert_int_equal(count_of(m, TOP_5M, 2001 * SECOND, TOP_COUNT_ACTIVE), 1);
	top_model_free(m);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void assert_near(uint64_t got, uint64_t exact)
{
	double off = ((double)got - (double)exact) / (double)exact;

	if (off > 0.04 || off < -0.04)
		fail_msg("%llu for %llu", (unsigned long long)got, (unsigned long long)exact);
}

static void check_latency(const struct top_latency *l, uint64_t *values, size_t count)
{
	qsort(values, count, sizeof(*values), by_value);
	assert_int_equal(l->count, count);
	assert_near(l->p50, values[(count * 50 + 99) / 100 - 1]);
	assert_near(l->p90, values[(count * 90 + 99) / 100 - 1]);
	assert_near(l->p99, values[(count * 99 + 99) / 100 - 1]);
	assert_near(l->max, values[count - 1]);
}

/* Against all values, sorted: of the window, and of a row in it. */
static void test_quantiles(void **state)
{
	static uint64_t last[10 * 200];
	struct top_model *m = begin();
	struct top_query *q = top_query_new();
	struct top_span span = { 0 };
	struct top_totals totals;
	struct top_line line;
	size_t count = 0;

	(void)state;
	srandom(7);
	for (unsigned second = 100; second < 200; second++)
		for (unsigned i = 0; i < 200; i++) {
			uint64_t ns = 500 + (uint64_t)random() % (1ULL << (10 + random() % 24));

			if (second >= 190)
				last[count++] = ns;
			put(m, handshake(second * SECOND + i, ROLE_ACTIVE, OUTCOME_ESTABLISHED, ns));
			/* These are not timed, or not established, or of the other side. */
			put(m, handshake(second * SECOND + i, ROLE_ACTIVE, OUTCOME_ESTABLISHED,
					 NS_UNKNOWN));
			put(m, handshake(second * SECOND + i, ROLE_ACTIVE, OUTCOME_REFUSED, 1));
			put(m, handshake(second * SECOND + i, ROLE_PASSIVE, OUTCOME_ESTABLISHED, 2));
		}
	span = top_span_of(m, TOP_10S, 200 * SECOND);
	top_totals_of(m, &span, &totals);
	check_latency(&totals.latency[ROLE_ACTIVE], last, count);
	assert_int_equal(totals.latency[ROLE_ACTIVE].max, last[count - 1]);
	assert_int_equal(totals.latency[ROLE_PASSIVE].p99, 2);
	assert_true(line_named(q, m, TOP_DESTINATIONS, TOP_10S, 200 * SECOND, "10.0.0.2:443", &line));
	check_latency(&line.latency, last, count);
	assert_int_equal(top_line_count(&line, SLOT_HANDSHAKES), 3 * count);
	assert_int_equal(top_line_count(&line, SLOT_FAILED), count);
	top_query_free(q);
	top_model_free(m);
}

static void test_counts(void **state)
{
	struct top_model *m = begin();
	struct record r = handshake(SECOND, ROLE_ACTIVE, OUTCOME_ESTABLISHED, 5);
	const struct {
		enum top_count count;
		uint64_t wanted;
	} wanted[] = {
		{ TOP_COUNT_ACTIVE, 1 },     { TOP_COUNT_PASSIVE, 0 },	{ TOP_COUNT_FAILED, 1 },
		{ TOP_COUNT_RETRANSMITTED, 1 }, { TOP_COUNT_OVERFLOWED, 7 }, { TOP_COUNT_COOKIES, 2 },
		{ TOP_COUNT_LOST, 11 },	     { TOP_COUNT_LIMITED, 100 }, { TOP_COUNT_BALANCED, 2 },
		{ TOP_COUNT_UNBALANCED, 1 },
	};

	(void)state;
	r.handshake.retransmits = 3;
	put(m, r);
	/* A newer daemon's words: a failure of no known side. */
	put(m, handshake(SECOND, -1, -1, 5));
	put(m, overflow(SECOND, "syn", "dropped", 3));
	put(m, overflow(SECOND, "ack", "reset", 4));
	put(m, overflow(SECOND, "syn", "cookie", 2));
	r = overflow(SECOND, "syn", "dropped", 50);
	r.overflow.queue = "none"; /* no full queue's doing */
	put(m, r);
	put(m, (struct record){ .type = RECORD_LOSS, .mono_ns = SECOND,
				.loss = { "handshake", "ring_full", 11 } });
	put(m, (struct record){ .type = RECORD_LOSS, .mono_ns = SECOND,
				.loss = { "reset", "rate_limit", 100 } });
	for (int i = 0; i < 3; i++)
		put(m, (struct record){ .type = RECORD_AUDIT, .mono_ns = SECOND, .netns = 1,
					.audit = { .netns = 1, .balanced = i > 0 } });
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		assert_int_equal(count_of(m, TOP_1S, 2 * SECOND, wanted[i].count), wanted[i].wanted);
		assert_int_equal(count_of(m, TOP_START, 2 * SECOND, wanted[i].count),
				 wanted[i].wanted);
	}
	top_model_free(m);
}

/* ---- listeners ---- */

static void test_listeners(void **state)
{
	struct top_model *m = begin();
	struct top_query *q = top_query_new();
	struct record r;
	struct top_line l;

	(void)state;
	put(m, listening(SECOND, CHANGE_OPENED, "a1", "0.0.0.0", 443, 0, 128, 0));
	put(m, listening(SECOND, CHANGE_SAMPLE, "a2", "0.0.0.0", 443, 100, 128, 129));
	put(m, listening(SECOND, CHANGE_SAMPLE, "a3", "0.0.0.0", 443, 5, 128, 8));
	put(m, listening(3 * SECOND, CHANGE_SAMPLE, "a3", "0.0.0.0", 443, 6, 128, 7));
	/* One of another address and of another port, which have it all to themselves. */
	put(m, listening(SECOND, CHANGE_OPENED, "b", "10.0.0.3", 443, 0, 16, 0));
	put(m, listening(SECOND, CHANGE_OPENED, "c", "::", 80, 0, 16, 0));
	put(m, handshake(SECOND, ROLE_PASSIVE, OUTCOME_ESTABLISHED, 10));
	put(m, overflow(SECOND, "syn", "dropped", 3));
	put(m, overflow(2 * SECOND, "ack", "dropped", 4));
	r = handshake(SECOND, ROLE_PASSIVE, OUTCOME_ESTABLISHED, 10);
	r.handshake.local = end_of("10.0.0.3", 443);
	put(m, r);
	r.handshake.local = end_of("10.0.0.2", 80);
	put(m, r);

	assert_true(line_named(q, m, TOP_LISTENERS, TOP_10S, 4 * SECOND, "0.0.0.0:443", &l));
	assert_int_equal(l.sockets, 3);
	assert_int_equal(l.len, 100);
	assert_int_equal(l.drops, 9);
	assert_int_equal(l.oldest_wait_ns, 5 * SECOND);
	assert_string_equal(l.comm, "nginx");
	assert_int_equal(top_line_count(&l, SLOT_PEAK), 129);
	assert_int_equal(top_line_count(&l, SLOT_HANDSHAKES), 1);
	assert_int_equal(top_line_count(&l, SLOT_REFUSED_SYN), 3);
	assert_int_equal(top_line_count(&l, SLOT_REFUSED_ACK), 4);
	assert_true(line_named(q, m, TOP_LISTENERS, TOP_1S, 4 * SECOND, "0.0.0.0:443", &l));
	assert_int_equal(top_line_count(&l, SLOT_PEAK), 7);
	assert_int_equal(top_line_count(&l, SLOT_HANDSHAKES), 0);
	assert_true(line_named(q, m, TOP_LISTENERS, TOP_10S, 4 * SECOND, "10.0.0.3:443", &l));
	assert_int_equal(top_line_count(&l, SLOT_HANDSHAKES), 1);
	/* Of both families. */
	assert_true(line_named(q, m, TOP_LISTENERS, TOP_10S, 4 * SECOND, "[::]:80", &l));
	assert_int_equal(top_line_count(&l, SLOT_HANDSHAKES), 1);

	put(m, listening(5 * SECOND, CHANGE_CLOSED, "a2", "0.0.0.0", 443, 0, 0, 0));
	assert_true(line_named(q, m, TOP_LISTENERS, TOP_1S, 6 * SECOND, "0.0.0.0:443", &l));
	assert_int_equal(l.sockets, 2);
	assert_int_equal(l.len, 6);
	put(m, listening(5 * SECOND, CHANGE_CLOSED, "a1", "0.0.0.0", 443, 0, 0, 0));
	put(m, listening(5 * SECOND, CHANGE_CLOSED, "a3", "0.0.0.0", 443, 0, 0, 0));
	assert_false(line_named(q, m, TOP_LISTENERS, TOP_1S, 6 * SECOND, "0.0.0.0:443", &l));
	assert_true(line_named(q, m, TOP_LISTENERS, TOP_10S, 6 * SECOND, "0.0.0.0:443", &l));
	/* A feed begins with every listener there is. */
	put(m, (struct record){ .type = RECORD_HELLO, .mono_ns = 7 * SECOND });
	assert_false(line_named(q, m, TOP_LISTENERS, TOP_1S, 20 * SECOND, "[::]:80", &l));
	top_query_free(q);
	top_model_free(m);
}

static void test_ipv6_only_listeners(void **state)
{
	struct top_model *m = begin();
	struct top_query *q = top_query_new();
	struct record r = listening(SECOND, CHANGE_OPENED, "c", "::", 443, 0, 16, 0);
	struct top_line l;

	(void)state;
	r.listener.v6only = true;
	put(m, r);
	put(m, handshake(SECOND, ROLE_PASSIVE, OUTCOME_ESTABLISHED, 10));
	assert_true(line_named(q, m, TOP_LISTENERS, TOP_1S, 2 * SECOND, "[::]:443", &l));
	assert_int_equal(top_line_count(&l, SLOT_HANDSHAKES), 0);
	/* No record reported its listener: it has a row of its own. */
	assert_true(line_named(q, m, TOP_LISTENERS, TOP_1S, 2 * SECOND, "10.0.0.2:443", &l));
	assert_int_equal(l.sockets, 0);
	assert_false(l.has_queue);
	top_query_free(q);
	top_model_free(m);
}

/* ---- one of them, and the map ---- */

static void test_focus(void **state)
{
	struct top_model *m = begin();
	struct top_query *q = top_query_new();
	const struct top_fact *facts[8];
	struct top_focus focus;
	struct top_span span;
	struct top_line l;
	struct record r;

	(void)state;
	put(m, listening(SECOND, CHANGE_OPENED, "a1", "0.0.0.0", 443, 0, 128, 0));
	for (unsigned i = 0; i < 20; i++) {
		r = handshake(SECOND + i, ROLE_PASSIVE, i % 4 ? OUTCOME_ESTABLISHED : OUTCOME_TIMEOUT, i);
		if (i % 4 == 0)
			r.handshake.cause = (struct cause){ "ack_lost", "proven", "An ACK." };
		put(m, r);
		put(m, handshake(SECOND + i, ROLE_ACTIVE, OUTCOME_ESTABLISHED, 5));
	}
	put(m, overflow(SECOND + 30, "syn", "dropped", 40));
	assert_true(line_named(q, m, TOP_LISTENERS, TOP_1S, 2 * SECOND, "0.0.0.0:443", &l));
	span = top_span_of(m, TOP_1S, 2 * SECOND);
	top_focus_of(m, TOP_LISTENERS, l.row, &span, 1, facts, 8, &focus);
	assert_int_equal(focus.fact_count, 8);
	assert_int_equal(focus.skipped, 1);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(facts[i]->latency_ns, 19 - i);
	assert_true(focus.covered);
	assert_int_equal(focus.tally_count, 2);
	assert_string_equal(top_code(top_names_of(m), focus.tallies[0].code), "accept_queue_full");
	assert_int_equal(focus.tallies[0].refused, 40);
	assert_int_equal(focus.tallies[1].handshakes, 5);
	assert_int_equal(focus.outcomes[OUTCOME_TIMEOUT], 5);
	assert_int_equal(focus.outcomes[OUTCOME_ESTABLISHED], 15);
	assert_string_equal(top_detail(top_names_of(m), l.newest.detail), "The queue was full.");
	/* In another window it has no causes, and its last records still. */
	span = top_span_of(m, TOP_1S, 9 * SECOND);
	top_focus_of(m, TOP_LISTENERS, l.row, &span, 0, facts, 8, &focus);
	assert_int_equal(focus.tally_count, 0);
	assert_int_equal(focus.fact_count, 8);
	top_query_free(q);
	top_model_free(m);
}

/* However it is cut into columns and bands, it holds all that was timed, and shows where. */
static void test_heat(void **state)
{
	static struct top_heat h;
	struct top_model *m = begin();

	(void)state;
	srandom(1);
	for (unsigned second = 100; second < 160; second++)
		for (unsigned i = 0; i < 20; i++) {
			put(m, handshake(second * SECOND, ROLE_ACTIVE, OUTCOME_ESTABLISHED,
					 1ULL << (random() % 40)));
			put(m, handshake(second * SECOND, ROLE_PASSIVE, OUTCOME_TIMEOUT, 5));
		}
	for (unsigned bands = 1; bands < 30; bands++) {
		for (unsigned step = 1; step < 8; step++) {
			uint64_t sum = 0, failed = 0;

			top_heat_of(m, 160, 120, step, bands, &h);
			assert_in_range(h.bands, 1, bands < TOP_BANDS_MAX ? bands : TOP_BANDS_MAX);
			for (unsigned column = 0; column < h.columns; column++) {
				failed += h.failed[column];
				for (unsigned i = 0; i < h.bands; i++)
					sum += h.cells[i][column];
			}
			assert_int_equal(sum, 60 * 20);
			assert_int_equal(failed, 60 * 20);
			for (unsigned i = 1; i < h.bands; i++)
				assert_true(h.floors[i] > h.floors[i - 1]);
		}
	}
	/* 1.2 ms is in the band from 1 ms on, a second ago. */
	top_model_clear(m);
	put(m, handshake(199 * SECOND, ROLE_ACTIVE, OUTCOME_ESTABLISHED, 1200000));
	top_heat_of(m, 200, 10, 1, 9, &h);
	assert_int_equal(h.bands, 1);
	assert_int_equal(h.floors[0], 1000000);
	assert_int_equal(h.cells[0][9], 1);
	top_model_clear(m);
	top_heat_of(m, 200, 10, 1, 9, &h);
	assert_int_equal(h.bands, 0);
	top_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows_are_whole_seconds),
		cmocka_unit_test(test_late_records),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_listeners),
		cmocka_unit_test(test_ipv6_only_listeners),
		cmocka_unit_test(test_focus),
		cmocka_unit_test(test_heat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
