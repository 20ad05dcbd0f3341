// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* netstat: the kernel's two files of counters. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/host/netstat.h"

static void test_parse(void **state)
{
	char text[] = "TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPReqQFullDrop Other\n"
		      "TcpExt: 1 22 333 18446744073709551615 5\n"
		      "IpExt: InNoRoutes ListenDrops\n"
		      "IpExt: 6 7\n";
	struct netstat n = { .value[NETSTAT_ACTIVE_OPENS] = 9 };

	(void)state;
	netstat_parse(&n, text);
	assert_int_equal(n.value[NETSTAT_LISTEN_OVERFLOWS], 22);
	assert_true(n.value[NETSTAT_REQQ_FULL_DROP] == UINT64_MAX);
	assert_int_equal(n.value[NETSTAT_ACTIVE_OPENS], 9); /* not in the file */
}

/* The names that the audit compares, and those its rules need, where the kernel has them. */
static void test_every_counter(void **state)
{
	char text[4096];
	struct netstat n = {};
	size_t len = 0;

	(void)state;
	len += (size_t)snprintf(text + len, sizeof(text) - len, "Tcp:");
	for (int i = 0; i < NETSTAT_COUNTERS; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " %s", netstat_names[i]);
	len += (size_t)snprintf(text + len, sizeof(text) - len, "\nTcp:");
	for (int i = 0; i < NETSTAT_COUNTERS; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " %d", i + 1);
	snprintf(text + len, sizeof(text) - len, "\n");
	netstat_parse(&n, text);
	for (int i = 0; i < NETSTAT_COUNTERS; i++)
		assert_int_equal(n.value[i], i + 1);
	assert_int_equal(NETSTAT_AUDITED, 13);
}

/* The counters of IPv6 are a file of another form. */
static void test_ipv6(void **state)
{
	char text[] = "Ip6InReceives                   \t31\nIp6OutNoRoutes                  \t12\nIp6OutNoRoutesToo\t5\n";
	struct netstat n = { .value[NETSTAT_NO_ROUTES] = 9 };

	(void)state;
	netstat_parse_ipv6(&n, text);
	assert_int_equal(n.value[NETSTAT_NO_ROUTES6], 12);
	assert_int_equal(n.value[NETSTAT_NO_ROUTES], 9);
}

static void test_negative(void **state)
{
	char text[] = "Tcp: MaxConn ActiveOpens OutRsts\nTcp: -1 4 7\n";
	struct netstat n = {};

	(void)state;
	netstat_parse(&n, text);
	assert_int_equal(n.value[NETSTAT_ACTIVE_OPENS], 4);
	assert_int_equal(n.value[NETSTAT_OUT_RSTS], 7);
}

static void test_garbage(void **state)
{
	char empty[] = "", odd[] = "Tcp: ActiveOpens\n", unlike[] = "Tcp: ActiveOpens\nUdp: 4\n",
	     cut[] = "Tcp: ActiveOpens PassiveOpens\nTcp: 4";
	struct netstat n = {};

	(void)state;
	netstat_parse(&n, empty);
	netstat_parse(&n, odd);
	netstat_parse(&n, unlike);
	assert_int_equal(n.value[NETSTAT_ACTIVE_OPENS], 0);
	netstat_parse(&n, cut);
	assert_int_equal(n.value[NETSTAT_ACTIVE_OPENS], 4);
	assert_int_equal(n.value[NETSTAT_PASSIVE_OPENS], 0);
}

static void test_own_namespace(void **state)
{
	struct netstat_files files = NETSTAT_CLOSED;
	struct netstat n = {};
	struct stat st;

	(void)state;
	assert_int_equal(stat("/proc/self/ns/net", &st), 0);
	assert_int_equal(netstat_open(&files, (uint32_t)getpid(), (uint32_t)st.st_ino + 1), -ESTALE);
	assert_int_equal(files.fd[0], -1);
	assert_int_equal(netstat_open(&files, (uint32_t)getpid(), (uint32_t)st.st_ino), 0);
	assert_int_equal(netstat_read(&files, &n), 0);
	assert_int_equal(netstat_read(&files, &n), 0); /* again, from the start */
	netstat_close(&files);
	assert_int_equal(netstat_open(&files, 0, 0), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_every_counter),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_negative),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_own_namespace),
	};

	return cmocka_run_group_tests_name("netstat", tests, NULL, NULL);
}
