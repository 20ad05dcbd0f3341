// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* addr: our formatter against inet_ntop(3), which follows RFC 5952. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "common/addr.h"

static void expect_same(const uint8_t *addr)
{
	char want[INET6_ADDRSTRLEN];
	struct buf b = {};

	if (addr_is_ipv4(addr))
		inet_ntop(AF_INET, addr + 12, want, sizeof(want));
	else
		inet_ntop(AF_INET6, addr, want, sizeof(want));
	addr_format(&b, addr);
	buf_mem(&b, "", 1);
	assert_string_equal(b.data, want);
	buf_free(&b);
}

static void test_known(void **state)
{
	static const char *const addrs[] = {
		"::",	      "::1",	     "1::",	     "fe80::1",	      "2001:db8::1:0:0:1",
		"1:0:0:2::3", "1:2:3:4:5:6:7:8", "0:1:0:1:0:1:0:1", "1:0:0:1:0:0:0:1",
		"abcd:ef01:2345:6789:abcd:ef01:2345:6789", "::ffff:0.0.0.0",
		"::ffff:255.255.255.255", "::ffff:10.0.100.9", "64:ff9b::1:2",
	};
	uint8_t addr[16];

	(void)state;
	for (size_t i = 0; i < sizeof(addrs) / sizeof(*addrs); i++) {
		assert_int_equal(inet_pton(AF_INET6, addrs[i], addr), 1);
		expect_same(addr);
	}
}

static void test_octets(void **state)
{
	uint8_t addr[16] = { [10] = 0xff, [11] = 0xff };

	(void)state;
	for (int octet = 0; octet < 256; octet++) {
		for (int i = 0; i < 4; i++)
			addr[12 + i] = (uint8_t)(octet + 85 * i);
		expect_same(addr);
	}
}

/* Groups of zero are frequent here, as they are in real addresses. */
static void test_random(void **state)
{
	uint8_t addr[16];

	(void)state;
	srand(1);
	for (int i = 0; i < 100000; i++) {
		for (int group = 0; group < 8; group++) {
			int zero = rand() % 2, wide = rand() % 2;

			addr[2 * group] = zero || !wide ? 0 : (uint8_t)rand();
			addr[2 * group + 1] = zero ? 0 : (uint8_t)rand();
		}
		if (!addr[0] && !addr[1] && !addr[2] && !addr[3] && !addr[4] && !addr[5] &&
		    !addr[6] && !addr[7] && !addr[8] && !addr[9] && !addr[10] && !addr[11])
			continue; /* inet_ntop shows ::a.b.c.d, deprecated by RFC 4291, dotted */
		expect_same(addr);
	}
}

static void test_wildcard(void **state)
{
	static const struct {
		const char *text;
		bool wildcard;
	} cases[] = {
		{ "::", true }, { "::ffff:0.0.0.0", true }, { "::1", false }, { "::ffff:127.0.0.1", false },
	};
	uint8_t addr[16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		inet_pton(AF_INET6, cases[i].text, addr);
		assert_int_equal(addr_is_wildcard(addr), cases[i].wildcard);
	}
}

/* A listener at each of these, and what comes to which: none, by the other family's wildcard, by its own, exactly. */
static void test_fit(void **state)
{
	static const struct {
		const char *listening, *addr;
		bool v6only;
		int fit;
	} cases[] = {
		{ "10.0.0.1", "10.0.0.1", false, 3 }, { "10.0.0.1", "10.0.0.2", false, 0 },
		{ "0.0.0.0", "10.0.0.1", false, 2 },  { "0.0.0.0", "2001:db8::1", false, 0 },
		{ "::", "2001:db8::1", false, 2 },    { "::", "10.0.0.1", false, 1 },
		{ "::", "10.0.0.1", true, 0 },	      { "::", "2001:db8::1", true, 2 },
		{ "0.0.0.0", "0.0.0.0", false, 3 },   { "::1", "10.0.0.1", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t listening[16], addr[16];

		assert_int_not_equal(addr_parse(cases[i].listening, listening), 0);
		assert_int_not_equal(addr_parse(cases[i].addr, addr), 0);
		assert_int_equal(addr_fit(listening, cases[i].v6only, addr), cases[i].fit);
	}
}

static void test_parse(void **state)
{
	uint8_t addr[16], other[16];

	(void)state;
	assert_int_equal(addr_parse("192.0.2.1", addr), AF_INET);
	assert_true(addr_is_ipv4(addr));
	assert_int_equal(addr_parse("::ffff:192.0.2.1", other), AF_INET6);
	assert_memory_equal(addr, other, sizeof(addr));
	assert_int_equal(addr_parse("192.0.2.1x", addr), 0);
	assert_int_equal(addr_parse("", addr), 0);
	assert_int_equal(addr_parse("192.0.2.129", other), AF_INET);
	assert_true(addr_share_prefix(addr, other, 96 + 24));
	assert_false(addr_share_prefix(addr, other, 96 + 25));
	assert_true(addr_share_prefix(addr, other, 0));
	assert_false(addr_share_prefix(addr, other, 128));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fit),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_octets),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_wildcard),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
