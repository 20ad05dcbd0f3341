// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* locals: which addresses are a namespace's own. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/host/locals.h"

static bool have(const struct locals *l, const char *text)
{
	uint8_t addr[16] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET, text, addr + 12) != 1)
		assert_int_equal(inet_pton(AF_INET6, text, addr), 1);
	return locals_have(l, addr);
}

/* As 6.18 prints it: both tables, Main and Local, may be one. */
static void test_fib_trie(void **state)
{
	char text[] = "Main:\n"
		      "  +-- 0.0.0.0/0 3 0 5\n"
		      "     |-- 0.0.0.0\n"
		      "        /0 universe UNICAST\n"
		      "     +-- 10.9.0.0/24 2 0 2\n"
		      "        +-- 10.9.0.0/30 2 0 2\n"
		      "           |-- 10.9.0.0\n"
		      "              /24 link UNICAST\n"
		      "           |-- 10.9.0.1\n"
		      "              /32 host LOCAL\n"
		      "        |-- 10.9.0.255\n"
		      "           /32 link BROADCAST\n"
		      "     +-- 127.0.0.0/8 2 0 2\n"
		      "        +-- 127.0.0.0/31 1 0 0\n"
		      "           |-- 127.0.0.0\n"
		      "              /8 host LOCAL\n"
		      "           |-- 127.0.0.1\n"
		      "              /32 host LOCAL\n"
		      "Local:\n"
		      "  +-- 192.0.2.0/25 1 0 0\n"
		      "     |-- 192.0.2.0\n"
		      "        /25 host LOCAL\n"
		      "        /24 link UNICAST\n";
	struct locals l = {};

	(void)state;
	locals_parse_fib_trie(&l, text);
	assert_int_equal(l.count, 4);
	assert_true(have(&l, "10.9.0.1"));
	assert_false(have(&l, "10.9.0.2"));
	assert_false(have(&l, "10.9.0.0"));
	assert_false(have(&l, "10.9.0.255"));
	assert_true(have(&l, "127.0.0.1"));
	assert_true(have(&l, "127.255.3.4")); /* by the prefix */
	assert_false(have(&l, "128.0.0.1"));
	assert_true(have(&l, "192.0.2.127")); /* a prefix that ends within a byte */
	assert_false(have(&l, "192.0.2.128"));
	assert_false(have(&l, "8.8.8.8")); /* a default route is none */
	locals_free(&l);
	assert_int_equal(l.count, 0);
}

static void test_if_inet6(void **state)
{
	char text[] = "00000000000000000000000000000001 01 80 10 80       lo\n"
		      "fd090000000000000000000000000002 0b 40 00 82       s0\n"
		      "fe80000000000000a8bbccfffeddeeff 0b 40 20 80       s0\n";
	struct locals l = {};

	(void)state;
	locals_parse_if_inet6(&l, text);
	assert_int_equal(l.count, 3);
	assert_true(have(&l, "::1"));
	assert_true(have(&l, "fd09::2"));
	assert_true(have(&l, "fe80::a8bb:ccff:fedd:eeff"));
	assert_false(have(&l, "fd09::3"));
	assert_false(have(&l, "0.0.0.1")); /* mapped, it is another */
	locals_free(&l);
}

static void test_garbage(void **state)
{
	char odd[] = "     |-- 10.0.0\n        /32 host LOCAL\n     |-- \n/33 host LOCAL\n|-- 10.0.0.1\n"
		     "/33 host LOCAL\n/-1 host LOCAL\n/32 host\n/32 host UNICAST\n/",
	     cut[] = "fd0900000000000000000000000000", none[] = "", hex[] = "zz\n\n0\n";
	struct locals l = {};

	(void)state;
	locals_parse_fib_trie(&l, odd);
	locals_parse_fib_trie(&l, none);
	assert_int_equal(l.count, 0);
	locals_parse_if_inet6(&l, hex);
	locals_parse_if_inet6(&l, none);
	assert_int_equal(l.count, 0);
	locals_parse_if_inet6(&l, cut);
	assert_int_equal(l.count, 0);
	locals_free(&l);
}

/* Many: it grows. Read again: it begins anew. */
static void test_read(void **state)
{
	int fib_trie = open("/proc/self/net/fib_trie", O_RDONLY),
	    if_inet6 = open("/proc/self/net/if_inet6", O_RDONLY);
	struct locals l = {};
	size_t count;

	(void)state;
	if (fib_trie < 0)
		skip();
	assert_int_equal(locals_read(&l, fib_trie, if_inet6), 0);
	count = l.count;
	assert_int_equal(locals_read(&l, fib_trie, if_inet6), 0);
	assert_int_equal(l.count, count);
	assert_int_equal(locals_read(&l, -1, -1), 0);
	assert_int_equal(l.count, 0);
	close(fib_trie);
	close(if_inet6);
	assert_true(locals_read(&l, fib_trie, -1) < 0);
	assert_int_equal(l.count, 0);
	locals_free(&l);
}

static void test_many(void **state)
{
	struct locals l = {};
	char line[] = "00000000000000000000000000000000 01 80 10 80 lo\n";

	(void)state;
	for (int i = 0; i < 1000; i++) {
		char text[sizeof(line)];

		memcpy(text, line, sizeof(line));
		text[31] = "0123456789abcdef"[i & 15];
		text[30] = "0123456789abcdef"[i >> 4 & 15];
		text[29] = "0123456789abcdef"[i >> 8 & 15];
		locals_parse_if_inet6(&l, text);
	}
	assert_int_equal(l.count, 1000);
	assert_true(have(&l, "::3e7"));
	assert_false(have(&l, "::3e8"));
	locals_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fib_trie), cmocka_unit_test(test_if_inet6),
		cmocka_unit_test(test_garbage),	 cmocka_unit_test(test_read),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("locals", tests, NULL, NULL);
}
