// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The buckets of latencies, and which ports keep a histogram. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>

#include <cmocka.h>

#include "bpf/event.h"
#include "daemon/kernel/latency_use.h"

#define LAST (LATENCY_BUCKETS - 1)
#define FIRST_NS (1ULL << LATENCY_MIN_BITS)
#define END_NS (1ULL << LATENCY_MAX_BITS)

static uint64_t begin_of(uint32_t bucket)
{
	return bucket ? latency_bucket_end(bucket - 1) : FIRST_NS;
}

static void test_log2(void **state)
{
	(void)state;
	assert_int_equal(latency_log2(0), 0);
	for (uint32_t bit = 0; bit < 64; bit++) {
		assert_int_equal(latency_log2(1ULL << bit), bit);
		assert_int_equal(latency_log2((1ULL << bit) | ((1ULL << bit) - 1)), bit);
	}
}

static void test_edges(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
		assert_int_equal(latency_bucket(begin_of(i)), i);
		assert_int_equal(latency_bucket(latency_bucket_end(i) - 1), i);
		assert_true(begin_of(i) < latency_bucket_end(i));
	}
	assert_int_equal(latency_bucket_end(LAST), END_NS);
}

static void test_beyond(void **state)
{
	(void)state;
	assert_int_equal(latency_bucket(0), 0);
	assert_int_equal(latency_bucket(FIRST_NS - 1), 0);
	assert_int_equal(latency_bucket(END_NS - 1), LAST);
	assert_int_equal(latency_bucket(END_NS), LAST);
	assert_int_equal(latency_bucket(1ULL << 63), LAST);
	assert_int_equal(latency_bucket(UINT64_MAX), LAST);
}

static void test_monotonic(void **state)
{
	uint32_t last = 0;

	(void)state;
	for (uint64_t ns = 1; ns < 2 * END_NS; ns += 1 + ns / 97) {
		uint32_t bucket = latency_bucket(ns);

		assert_true(bucket >= last && bucket < LATENCY_BUCKETS);
		last = bucket;
	}
	assert_int_equal(last, LAST);
}

/* Wherever in its bucket a quantile is taken to be: at most 1/32 off; from the middle, half of it. */
static void test_error(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
		double begin = (double)begin_of(i), end = (double)latency_bucket_end(i);
		double middle = (begin + end) / 2;

		assert_true((end - begin) / begin <= 1.0 / LATENCY_SUB);
		assert_true((middle - begin) / begin <= 0.5 / LATENCY_SUB);
		assert_true(fabs(end - middle) / end <= 0.5 / LATENCY_SUB);
	}
	assert_true(1.0 / LATENCY_SUB <= 0.032);
}

static void test_slots(void **state)
{
	(void)state;
	assert_int_equal(ROLES * OUTCOMES, LATENCY_FIXED);
	assert_int_equal(LATENCY_SHARDS_MAX & (LATENCY_SHARDS_MAX - 1), 0);
}

static struct latency_use idle_for(uint32_t sweeps)
{
	struct latency_use u = {};

	latency_use_update(&u, 7);
	for (uint32_t i = 0; i < sweeps; i++)
		latency_use_update(&u, 7);
	return u;
}

static void test_use_counts_idle_sweeps(void **state)
{
	struct latency_use u = idle_for(3);

	(void)state;
	assert_int_equal(u.idle, 3);
	latency_use_update(&u, 8);
	assert_int_equal(u.idle, 0);
	assert_int_equal(u.count, 8);
}

/* Nobody goes while there is room, nor who is used, nor a port where somebody listens. */
static void test_use_ends(void **state)
{
	static const struct {
		uint32_t idle, used;
		bool listens, ends;
	} cases[] = {
		{ 1000, 47, false, false }, { 0, 48, false, false }, { 0, 64, false, false },
		{ 9, 48, false, false },    { 10, 48, false, true }, { 9, 63, false, false },
		{ 1, 64, false, true },	    { 1000, 64, true, false }, { 10, 64, false, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct latency_use u = idle_for(cases[i].idle);

		assert_int_equal(latency_use_ends(&u, cases[i].listens, cases[i].used, 64),
				 cases[i].ends);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log2),	    cmocka_unit_test(test_edges),
		cmocka_unit_test(test_beyond),	    cmocka_unit_test(test_monotonic),
		cmocka_unit_test(test_error),	    cmocka_unit_test(test_slots),
		cmocka_unit_test(test_use_counts_idle_sweeps), cmocka_unit_test(test_use_ends),
	};

	return cmocka_run_group_tests_name("latency", tests, NULL, NULL);
}
