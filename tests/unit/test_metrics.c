// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Where metrics are served. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/metrics/http.h"

static void test_good(void **state)
{
	static const struct {
		const char *text, *host;
		uint16_t port;
	} cases[] = {
		{ "9469", "127.0.0.1", 9469 },
		{ ":9469", "127.0.0.1", 9469 },
		{ "localhost:9469", "127.0.0.1", 9469 },
		{ "127.0.0.1:1", "127.0.0.1", 1 },
		{ "0.0.0.0:65535", "0.0.0.0", 65535 },
		{ "[::1]:9469", "::1", 9469 },
		{ "[::]:80", "::", 80 },
		{ "[2001:db8::1]:80", "2001:db8::1", 80 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct metrics_address a = {};

		assert_int_equal(metrics_parse_address(cases[i].text, &a), 0);
		assert_string_equal(a.host, cases[i].host);
		assert_int_equal(a.port, cases[i].port);
	}
}

static void test_bad(void **state)
{
	static const char *const bad[] = {
		"", ":", "0", "65536", ":0", ":65536", "a.b:1", "::1:9469", "[::1]", "[::1]9469", "[::1]:",
		"::1", "[]:80", "[:80", "::1]:80", "1.2.3:80", "1.2.3.4.5:80", "127.0.0.1:", "127.0.0.1:-1",
		"127.0.0.1:+1", "127.0.0.1: 1", "127.0.0.1:1 ", "127.0.0.1:0x1", "127.0.0.1:80a",
		"127.0.0.1", "-1", " 80", "99999999999999999999", "[127.0.0.1]:80", "[fe80::1%lo]:80",
		"127.0.0.1:80:80", "[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]:80",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct metrics_address a = { .port = 5 };

		if (metrics_parse_address(bad[i], &a) == 0)
			fail_msg("%s is %s port %u", bad[i], a.host, a.port);
		assert_int_equal(a.port, 5); /* untouched */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
