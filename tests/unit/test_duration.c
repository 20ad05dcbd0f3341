// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* duration: what people write, what they read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

#include "common/duration.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} cases[] = {
		{ "0", 0 },
		{ "10", 10000000000 },
		{ "0.5", 500000000 },
		{ "500ns", 500 },
		{ "250us", 250000 },
		{ "250\u00b5s", 250000 },
		{ "10ms", 10000000 },
		{ "1.5s", 1500000000 },
		{ "2m", 120000000000 },
		{ "1h", 3600000000000 },
		{ "1.5h", 5400000000000 },
		{ "0.000000001h", 3600 },
		{ "1.000000001s", 1000000001 },
		{ "0.1m", 6000000000 },
		{ "007ms", 7000000 },
		/* Below a nanosecond there is nothing. */
		{ "0.0000000019s", 1 },
		{ "1.9ns", 1 },
		{ "0.12345678901234567890123456789s", 123456789 },
		{ "18446744073709551615ns", UINT64_MAX },
		{ "18446744073.709551615", UINT64_MAX },
		{ "00000000000000000000000000001s", 1000000000 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t ns = 42;

		if (duration_parse(cases[i].text, &ns) != 0)
			fail_msg("'%s' was refused", cases[i].text);
		assert_int_equal(ns, cases[i].ns);
	}
}

static void test_parse_refuses(void **state)
{
	static const char *const cases[] = {
		"",	  " ",	   "s",	    "ms",	"-1s",	 "+1s",	  "1 s",
		"1s ",	  " 1s",   "1.s",   ".5s",	"1..5s", "1.5.5s", "1e3s",
		"0x10s",  "1S",	   "1min",  "1d",	"1sec",	 "1,5s",  "nan",
		"inf",	  "1s1",   "1\ns",  "10 ms",	"1u",	 "1m s",
		"18446744073709551616ns",		 "18446744073.709551616",
		"18446744074s",				 "5124096h",
		"99999999999999999999999999999999999999999ns",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t ns = 42;

		if (duration_parse(cases[i], &ns) != -1)
			fail_msg("'%s' was taken", cases[i]);
		assert_int_equal(ns, 42);
	}
}

static void test_format(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "0 ns" },
		{ 1, "1 ns" },
		{ 412, "412 ns" },
		{ 999, "999 ns" },
		{ 1000, "1.00 us" },
		{ 1004, "1.00 us" },
		{ 1005, "1.01 us" },
		{ 9994, "9.99 us" },
		{ 9995, "10.0 us" },
		{ 40123, "40.1 us" },
		{ 99949, "99.9 us" },
		{ 99950, "100 us" },
		{ 999499, "999 us" },
		{ 999500, "1.00 ms" },
		{ 3254999, "3.25 ms" },
		{ 1040000000, "1.04 s" },
		{ 75000000000, "75.0 s" },
		{ 127000000000, "127 s" },
		{ 999499999999, "999 s" },
		{ 999500000000, "16.7 m" },
		{ 3600000000000, "60.0 m" },
		{ 86400000000000, "24.0 h" },
		{ 31536000000000000, "365 d" },
		{ UINT64_MAX, "213504 d" },
	};
	char text[16];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(duration_format(cases[i].ns, text, sizeof(text)),
				    cases[i].text);
}

/* Any value: at most eight characters, and three digits say it within half a percent. */
static void test_format_is_short_and_close(void **state)
{
	uint64_t ns = 1, random = 88172645463325252ULL;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		char text[16], *unit;
		uint64_t back;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		ns = random >> (random & 63);
		duration_format(ns, text, sizeof(text));
		assert_in_range(strlen(text), 4, 8);
		unit = strchr(text, ' ');
		if (unit[1] == 'd')
			continue;
		memmove(unit, unit + 1, strlen(unit));
		assert_int_equal(duration_parse(text, &back), 0);
		assert_in_range(back > ns ? back - ns : ns - back, 0, ns / 199);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_format_is_short_and_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
