// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The set of keys: it numbers them, grows or does not, and gives numbers again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/keyset.h"

/* Numbers in the order of arrival, through every growth. */
static void test_growth(void **state)
{
	struct keyset s = { .key_size = sizeof(uint64_t) };
	bool added;

	(void)state;
	assert_int_equal(keyset_find(&s, &(uint64_t){ 1 }), KEYSET_NONE);
	for (uint64_t i = 0; i < 10000; i++) {
		uint64_t key = i << 40; /* alike where it matters least */

		assert_int_equal(keyset_put(&s, &key, &added), i);
		assert_int_equal(keyset_put(&s, &key, &added), i);
	}
	for (uint64_t i = 0; i < 10000; i++) {
		uint64_t key = i << 40;

		assert_int_equal(keyset_find(&s, &key), i);
		assert_memory_equal(keyset_at(&s, i), &key, sizeof(key));
	}
	assert_int_equal(keyset_find(&s, &(uint64_t){ 1 }), KEYSET_NONE);
	assert_int_equal(s.count, 10000);
	keyset_free(&s);
}

/* Against a plain array of what is there, in a set so full that all probing is long. */
static void test_removal(void **state)
{
	struct keyset s, copy;
	bool there[40] = { 0 }, added;
	size_t count = 0, numbers[40];

	(void)state;
	assert_int_equal(keyset_init(&s, sizeof(uint64_t), 20), 0);
	srand(1);
	for (unsigned step = 0; step < 20000; step++) {
		uint64_t key = (uint64_t)(rand() % 40);
		size_t number = keyset_find(&s, &key);

		assert_int_equal(number != KEYSET_NONE, there[key]);
		if (there[key] && step % 2) {
			assert_int_equal(number, numbers[key]);
			keyset_remove(&s, number);
			assert_false(keyset_has(&s, number));
			count--;
			there[key] = false;
			continue;
		}
		number = keyset_put(&s, &key, &added);
		assert_int_equal(added, !there[key] && count < 20);
		if (!added) {
			assert_int_equal(number, there[key] ? numbers[key] : KEYSET_NONE);
			continue;
		}
		there[key] = true;
		numbers[key] = number;
		count++;
	}
	assert_int_equal(s.count, count);
	assert_int_equal(keyset_copy(&copy, &s), 0);
	keyset_clear(&s);
	for (uint64_t key = 0; key < 40; key++) {
		assert_int_equal(keyset_find(&copy, &key) != KEYSET_NONE, there[key]);
		assert_int_equal(keyset_find(&s, &key), KEYSET_NONE);
	}
	keyset_free(&s);
	keyset_free(&copy);
}

static bool is_odd(void *ctx, size_t number)
{
	(void)ctx;
	return number % 2;
}

static void test_sweep(void **state)
{
	struct keyset s;
	bool added;

	(void)state;
	assert_int_equal(keyset_init(&s, sizeof(uint64_t), 100), 0);
	for (uint64_t key = 0; key < 100; key++)
		keyset_put(&s, &key, &added);
	assert_int_equal(keyset_sweep(&s, is_odd, NULL), 50);
	assert_int_equal(keyset_sweep(&s, is_odd, NULL), 0);
	for (uint64_t key = 0; key < 100; key++)
		assert_int_equal(keyset_find(&s, &key), key % 2 ? KEYSET_NONE : key);
	keyset_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_removal),
		cmocka_unit_test(test_sweep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
