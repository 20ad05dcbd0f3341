// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* buf: numbers, JSON strings from any bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "common/buf.h"

static void expect(struct buf *b, const char *text)
{
	assert_false(b->failed);
	assert_int_equal(b->len, strlen(text));
	assert_memory_equal(b->data, text, b->len);
	buf_clear(b);
}

static void test_decimal(void **state)
{
	const uint64_t values[] = { 0, 1, 9, 10, 99, 100, 101, 999, 1000, 12345, 4294967295,
				    1000000000, UINT64_MAX - 1, UINT64_MAX };
	struct buf b = {};
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)values[i]);
		buf_u64(&b, values[i]);
		expect(&b, text);
	}
	buf_hex64(&b, 0x0123456789abcdefULL);
	expect(&b, "0123456789abcdef");
	buf_hex32(&b, 0x00abcdefU);
	expect(&b, "00abcdef");
	buf_free(&b);
}

/* Around each number where one more digit or bit begins, and some within. */
static void test_digits(void **state)
{
	char text[32];
	struct buf b = {};

	(void)state;
	for (uint64_t power = 1, last = 0; power > last; last = power, power *= 10) {
		for (uint64_t value = power - 1; value <= power + 1; value++) {
			snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
			buf_u64(&b, value);
			expect(&b, text);
		}
		if (power > UINT64_MAX / 10)
			break;
	}
	for (uint64_t value = 1; value < UINT64_MAX / 3; value = value * 3 + 1) {
		for (unsigned int len = 1; len <= 20; len++) {
			snprintf(text, sizeof(text), "%020llu", (unsigned long long)value);
			buf_digits(&b, value, len);
			expect(&b, text + 20 - len);
		}
	}
	for (int bit = 0; bit < 64; bit++) {
		snprintf(text, sizeof(text), "%llu", 1ULL << bit);
		buf_u64(&b, 1ULL << bit);
		expect(&b, text);
	}
	buf_free(&b);
}

static void test_json_string(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "\"\"" },
		{ "nginx", "\"nginx\"" },
		{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
		{ "tab\there\x1b[31m", "\"tab\\u0009here\\u001b[31m\"" },
		{ "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa7", "\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa7\"" },
		/* What steers a terminal: DEL, C1, and what changes the writing direction; but not their neighbours. */
		{ "~\x7f\xc2\x80\xc2\x9b" "31m\xc2\x9f\u00a0", "\"~\\u007f\\u0080\\u009b31m\\u009f\u00a0\"" },
		{ "\u061b\u061c\u061d", "\"\u061b\\u061c\u061d\"" },
		{ "\u200d\u200e\u200f\u2010", "\"\u200d\\u200e\\u200f\u2010\"" },
		{ "\u2027\u202a\u202e\u202f", "\"\u2027\\u202a\\u202e\u202f\"" },
		{ "\u2065\u2066\u2069\u206a", "\"\u2065\\u2066\\u2069\u206a\"" },
		{ "bad\xff!", "\"bad\xef\xbf\xbd!\"" },
		{ "cut\xe2\x82", "\"cut\xef\xbf\xbd\xef\xbf\xbd\"" }, /* a sequence cut off */
		{ "\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"" }, /* overlong */
		{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" }, /* a surrogate */
		{ "\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	};
	struct buf b = {};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		buf_json_str(&b, cases[i].in, SIZE_MAX);
		expect(&b, cases[i].out);
	}
	buf_json_str(&b, "sixteen bytes ok!", 16); /* no NUL within reach */
	expect(&b, "\"sixteen bytes ok\"");
	buf_free(&b);
}

/* Whatever the bytes of a comm, the result is JSON. */
static void test_every_byte_pair(void **state)
{
	struct buf b = {};

	(void)state;
	for (int first = 1; first < 256; first++) {
		for (int second = 1; second < 256; second++) {
			const char in[] = { (char)first, (char)second, 0 };
			cJSON *parsed;

			buf_clear(&b);
			buf_json_str(&b, in, sizeof(in));
			parsed = cJSON_ParseWithLength(b.data, b.len);
			assert_true(cJSON_IsString(parsed));
			cJSON_Delete(parsed);
		}
	}
	buf_free(&b);
}

static void test_consume(void **state)
{
	struct buf b = {};

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_lit(&b, "0123456789");
	buf_consume(&b, 9995);
	expect(&b, "56789");
	buf_free(&b);
}

/* Whatever room is left, it is written whole, and what follows stands right behind it. */
static void test_format(void **state)
{
	(void)state;
	for (size_t before = 1000; before < 1030; before++) {
		struct buf b = { 0 };

		for (size_t i = 0; i < before; i++)
			buf_lit(&b, "x");
		buf_format(&b, "%s=%d", "number", -17);
		buf_format(&b, "%s", "");
		buf_lit(&b, "!");
		assert_int_equal(b.len, before + strlen("number=-17!"));
		assert_string_equal(buf_text(&b) + before, "number=-17!");
		buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_decimal),
		cmocka_unit_test(test_digits),
		cmocka_unit_test(test_json_string),
		cmocka_unit_test(test_every_byte_pair),
		cmocka_unit_test(test_consume),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
