// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* histogram: exact where it says so, within its error elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/histogram.h"

static uint64_t random_state = 88172645463325252ULL;

static uint64_t random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static int setup(void **state)
{
	*state = calloc(2, sizeof(struct histogram));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void test_empty(void **state)
{
	struct histogram *h = *state;

	assert_int_equal(h->count, 0);
	assert_int_equal(histogram_quantile(h, 0.5), 0);
	assert_int_equal(histogram_quantile(h, 1), 0);
}

static void test_one_value_is_exact(void **state)
{
	static const uint64_t values[] = { 0, 1, 31, 32, 63, 64, 65, 1000003, 1ULL << 40,
					   (1ULL << 63) - 1, 1ULL << 63, UINT64_MAX };
	struct histogram *h = *state;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		memset(h, 0, sizeof(*h));
		histogram_record(h, values[i]);
		assert_int_equal(h->count, 1);
		assert_int_equal(h->min, values[i]);
		assert_int_equal(h->max, values[i]);
		assert_int_equal(histogram_quantile(h, 0), values[i]);
		assert_int_equal(histogram_quantile(h, 0.5), values[i]);
		assert_int_equal(histogram_quantile(h, 1), values[i]);
	}
}

static void test_small_values_are_exact(void **state)
{
	struct histogram *h = *state;

	for (uint64_t v = 1; v <= 60; v++)
		histogram_record(h, v);
	assert_int_equal(histogram_quantile(h, 0.5), 30);
	assert_int_equal(histogram_quantile(h, 0.9), 54);
	assert_int_equal(histogram_quantile(h, 0.01), 1);
	assert_int_equal(histogram_quantile(h, 1), 60);
	/* Out of its range it is clamped. */
	assert_int_equal(histogram_quantile(h, -1), 1);
	assert_int_equal(histogram_quantile(h, 2), 60);
}

/* Between two extremes, where no clamp helps, every magnitude keeps within 1/64. */
static void test_error_bound(void **state)
{
	struct histogram *h = *state;

	for (int i = 0; i < 100000; i++) {
		uint64_t value = random_u64() >> (random_u64() & 63), got;

		memset(h, 0, sizeof(*h));
		histogram_record(h, 0);
		histogram_record(h, value);
		histogram_record(h, UINT64_MAX);
		got = histogram_quantile(h, 0.5);
		assert_in_range(got > value ? got - value : value - got, 0, value / 64);
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void test_quantiles_of_a_sample(void **state)
{
	enum { N = 10000 };
	static const double quantiles[] = { 0.01, 0.5, 0.9, 0.99, 0.999 };
	struct histogram *h = *state;
	uint64_t *sample = calloc(N, sizeof(*sample));

	assert_non_null(sample);
	for (int i = 0; i < N; i++) {
		sample[i] = random_u64() % 1000000000 >> (random_u64() % 20);
		histogram_record(h, sample[i]);
	}
	qsort(sample, N, sizeof(*sample), compare);
	assert_int_equal(h->min, sample[0]);
	assert_int_equal(h->max, sample[N - 1]);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
		uint64_t exact = sample[(size_t)(quantiles[i] * N + 0.5) - 1];
		uint64_t got = histogram_quantile(h, quantiles[i]);

		assert_in_range(got > exact ? got - exact : exact - got, 0, exact * 4 / 100);
	}
	free(sample);
}

static void test_merge(void **state)
{
	struct histogram *a = *state, *b = a + 1;
	struct histogram *all = calloc(1, sizeof(*all));

	assert_non_null(all);
	/* Nothing into nothing; the minimum of an empty one is no minimum. */
	histogram_merge(a, b);
	assert_int_equal(a->count, 0);
	for (int i = 0; i < 1000; i++) {
		uint64_t value = 5 + random_u64() % 1000000;

		histogram_record(i % 3 ? a : b, value);
		histogram_record(all, value);
	}
	histogram_merge(a, b);
	assert_memory_equal(a, all, sizeof(*a));
	memset(b, 0, sizeof(*b));
	histogram_merge(a, b);
	assert_memory_equal(a, all, sizeof(*a));
	histogram_merge(b, a);
	assert_memory_equal(b, all, sizeof(*b));
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_value_is_exact, setup, teardown),
		cmocka_unit_test_setup_teardown(test_small_values_are_exact, setup, teardown),
		cmocka_unit_test_setup_teardown(test_error_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_quantiles_of_a_sample, setup, teardown),
		cmocka_unit_test_setup_teardown(test_merge, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
