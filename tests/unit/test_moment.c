// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* moment and size: what people write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/moment.h"
#include "common/size.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* 2026-11-20T10:47:46Z */
#define NOW (1795171666 * NSEC_PER_SEC)

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} cases[] = {
		{ "2026-11-20T10:47:46Z", NOW },
		{ "2026-11-20 10:47:46z", NOW },
		{ "2026-11-20T10:47:46.5Z", NOW + NSEC_PER_SEC / 2 },
		{ "2026-11-20T10:47:46.123456789999Z", NOW + 123456789 },
		{ "2026-11-20T10:47Z", NOW - 46 * NSEC_PER_SEC },
		{ "2026-11-20T12:17:46+01:30", NOW },
		{ "2026-11-20T05:47:46-05:00", NOW },
		{ "1970-01-01T00:00:01Z", NSEC_PER_SEC },
		{ "2554-07-21T23:34:32.5Z", 18446744072500000000ULL },
		/* TZ is five and a half hours east. */
		{ "2026-11-20T16:17:46", NOW },
		{ "16:17:46", NOW },
		{ "16:17", NOW - 46 * NSEC_PER_SEC },
		{ "10:47Z", NOW - 46 * NSEC_PER_SEC },
		{ "10m", NOW - 600 * NSEC_PER_SEC },
		{ "1.5h", NOW - 5400 * NSEC_PER_SEC },
		{ "0", NOW },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t ns = 0;

		assert_int_equal(moment_parse(cases[i].text, NOW, &ns), 0);
		assert_int_equal(ns, cases[i].ns);
	}
}

static void test_refused(void **state)
{
	static const char *const cases[] = {
		"", "now", "yesterday", "2026-11-20", "2026-11-20T", "2026-11-20T10", "2026-11-20T10:47:46X",
		"2026-11-20T10:47:46Zz", "2026-13-20T10:47:46Z", "2026-00-20T10:47:46Z", "2026-11-00T10:47:46Z",
		"2026-11-32T10:47:46Z", "2026-11-20T24:00:00Z", "2026-11-20T10:60:00Z", "2026-11-20T10:47:61Z",
		"1969-12-31T23:59:59Z", "2026-11-20T10:47:46+1:00", "2026-11-20T10:47:46+01", "-10m", "10:47:46 Z", "1e9h",
		/* 64 bits of nanoseconds end on 2554-07-21. */
		"2554-07-21T23:34:33.8Z", "2554-07-21T23:34:34Z", "9999-12-31T00:00Z",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t ns;

		assert_int_equal(moment_parse(cases[i], NOW, &ns), -1);
	}
}

static void test_stamps(void **state)
{
	static const char *const bad[] = { "", "20261120", "20261120T104746", "20261320T104746Z", "20261120 104746Z",
					   "2026112OT104746Z",
					   "99991231T000000Z" };
	char stamp[MOMENT_STAMP_SIZE];
	uint64_t ns;

	(void)state;
	assert_string_equal(moment_stamp(NOW + 999999999, stamp), "20261120T104746Z");
	assert_true(moment_of_stamp("20261120T104746Z-and-more", &ns));
	assert_int_equal(ns, NOW);
	assert_string_equal(moment_stamp(0, stamp), "19700101T000000Z");
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(moment_of_stamp(bad[i], &ns));
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = { { "0", 0 }, { "1048576", 1 << 20 }, { "64K", 64 << 10 }, { "256M", 256 << 20 }, { "2G", 2ULL << 30 },
		     { "1T", 1ULL << 40 }, { "1024T", 1ULL << 50 } };
	static const char *const bad[] = { "", "M", "1Mi", "2P", "-1M", "1025T", "9999999999999999999T", "1.5G", " 1M" };
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(size_parse(good[i].text, &bytes), 0);
		assert_int_equal(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(size_parse(bad[i], &bytes), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_stamps),
		cmocka_unit_test(test_sizes),
	};

	setenv("TZ", "XXX-5:30", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
