// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Sockets by state: whose they are, and which local ports are left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <string.h>

#include "cli/states/model.h"

static void put_addr(uint8_t *addr, const char *text)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(addr, mapped, sizeof(mapped));
	if (inet_pton(AF_INET, text, addr + 12) != 1)
		assert_int_equal(inet_pton(AF_INET6, text, addr), 1);
}

static struct socket_seen seen(uint8_t state, const char *local, uint16_t local_port, const char *remote,
			       uint16_t remote_port)
{
	struct socket_seen s = { .state = state, .local_port = local_port, .remote_port = remote_port,
				 .inode = 1, .quiet_ms = QUIET_UNKNOWN };

	put_addr(s.local, local);
	put_addr(s.remote, remote);
	return s;
}

static struct states *of_one_namespace(struct states_netns *n)
{
	static const struct filter everything;
	struct states *s = states_new(&everything);

	assert_non_null(s);
	n->netns = 7;
	states_begin(s, n);
	return s;
}

static void add(struct states *s, struct socket_seen one)
{
	states_add(s, &one);
}

static const struct states_group *find(const struct states *s, enum states_by by, uint16_t port)
{
	const struct states_group *found = NULL;

	for (size_t i = 0; i < states_count(s); i++) {
		const struct states_group *g = states_at(s, i);

		if (g->key.by != by || (port && g->key.local_port != port && g->key.remote_port != port))
			continue;
		assert_null(found);
		found = g;
	}
	return found;
}

static void test_reserved_ports(void **state)
{
	struct port_range r = { .known = true, .low = 1000, .high = 1009 };
	struct port_taken taken[] = { { 0, 999, false, 0 }, { 0, 1000, true, 0 }, { 0, 1001, true, 0 }, { 0, 1005, false, 0 },
					    { 0, 1005, true, 0 }, { 0, 1006, true, 0 } };
	struct port_taken again[6];
	struct ports_left left;

	(void)state;
	memcpy(again, taken, sizeof(again));
	port_range_reserve(&r, "1-3,1000,1002-1003,1003,1009-1020\n");
	assert_int_equal(r.reserved, 4);
	port_range_listen(&r, 1004);
	port_range_listen(&r, 1004);
	port_range_listen(&r, 1003);
	port_range_listen(&r, 80);
	assert_int_equal(r.listening, 1);
	/* 1001, 1005 and 1006 are of the usable 1001, 1005 to 1008; 1005 is not only in TIME_WAIT */
	assert_int_equal(ports_left_count(&left, &r, false, taken, 6), 3);
	assert_int_equal(taken[2].port, 1006);
	assert_int_equal(left.usable, 5);
	assert_int_equal(left.used, 3);
	assert_int_equal(left.time_wait, 2);
	assert_int_equal(left.reusable, 0);
	assert_int_equal(left.left, 2);
	ports_left_count(&left, &r, true, again, 6);
	assert_int_equal(left.reusable, 2);
	assert_int_equal(left.left, 4);
	port_range_reserve(&r, "");
	port_range_reserve(&r, "nonsense");
	assert_int_equal(r.reserved, 4);
}

/* `count` ports that entered TIME_WAIT evenly, the first one `since_ms` ago. */
static void forecast(struct ports_left *left, uint64_t usable, uint32_t count, uint32_t since_ms, bool reuses)
{
	static struct port_taken taken[2000];

	for (uint32_t i = 0; i < count; i++)
		taken[i] = (struct port_taken){ 0, (uint16_t)(1000 + i), true, 60000 - since_ms + i * since_ms / count };
	*left = (struct ports_left){ .known = true, .usable = usable, .used = count, .time_wait = count,
				     .left = usable - count, .runs_out_ms = UINT64_MAX };
	ports_forecast(left, reuses, taken, count);
}

static void test_ports_that_run_out(void **state)
{
	struct ports_left left;

	(void)state;
	forecast(&left, 1000, 100, 5000, false); /* 20 a second, for 5 s */
	assert_true(left.new_per_s > 19.5 && left.new_per_s < 20.5);
	assert_in_range(left.runs_out_ms, 43000, 47000); /* (1000 - 100) / 20 */
	forecast(&left, 1000, 600, 30000, false);
	assert_in_range(left.runs_out_ms, 19000, 21000);
	forecast(&left, 1300, 100, 5000, false); /* 20 a second come to 1,200 */
	assert_int_equal(left.runs_out_ms, UINT64_MAX);
	forecast(&left, 1300, 1200, 60000, false); /* as many end as begin */
	assert_int_equal(left.runs_out_ms, UINT64_MAX);
	forecast(&left, 1000, 100, 5000, true);
	assert_int_equal(left.runs_out_ms, UINT64_MAX);
	forecast(&left, 100, 100, 5000, false);
	assert_int_equal(left.runs_out_ms, 0);
	forecast(&left, 100, 0, 5000, false);
	assert_int_equal(left.runs_out_ms, UINT64_MAX);
	assert_true(left.new_per_s < 0.1);
}

/* A proxy binds each connection to a port of its own choice: those take none of the range. */
static void test_ports_beside_the_range(void **state)
{
	struct states_netns n = { .range = { .known = true, .low = 32768, .high = 60999 } };
	struct states *s = of_one_namespace(&n);
	const struct states_group *g;
	char text[32];

	(void)state;
	for (uint16_t port = 1025; port <= 30000; port++) {
		struct socket_seen one = seen(TCP_TIME_WAIT, "10.0.0.1", port, "10.0.0.2", 80);

		one.ends_ms = 60000 - (port - 1025u) % 30000;
		add(s, one);
	}
	for (uint16_t port = 40000; port < 40004; port++) {
		struct socket_seen one = seen(TCP_TIME_WAIT, "10.0.0.1", port, "10.0.0.2", 80);

		one.ends_ms = 60000 - (port - 40000u) * 3000;
		add(s, one);
	}
	states_build(s, NULL);
	g = find(s, BY_DESTINATION, 80);
	assert_int_equal(g->ports.used, 4);
	assert_true(g->ports.runs_out_ms == UINT64_MAX);
	assert_string_equal(ports_rate_text(&g->ports, text, sizeof(text)), "0.4");
	states_free(s);
}

static void test_an_unknown_range(void **state)
{
	const struct port_range r = { .known = false };
	struct port_taken taken = { 0, 1, false, 0 };
	struct ports_left left;

	(void)state;
	assert_int_equal(ports_left_count(&left, &r, false, &taken, 1), 0);
	assert_false(left.known);
}

static void test_who_may_use_ports_again(void **state)
{
	static const struct {
		uint64_t reuse;
		bool timestamps;
		const char *local, *remote;
		bool may;
	} cases[] = {
		{ TW_REUSE_OFF, true, "127.0.0.1", "127.0.0.1", false },
		{ TW_REUSE_ON, true, "10.0.0.1", "10.0.0.2", true },
		{ TW_REUSE_ON, false, "10.0.0.1", "10.0.0.2", false },
		{ TW_REUSE_LOOPBACK, true, "10.0.0.1", "10.0.0.2", false },
		{ TW_REUSE_LOOPBACK, true, "10.0.0.1", "127.3.0.2", true },
		{ TW_REUSE_LOOPBACK, true, "::1", "::1", true },
		{ TW_REUSE_LOOPBACK, true, "fd00::1", "::2", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct port_range r = { .tw_reuse = cases[i].reuse, .timestamps = cases[i].timestamps };
		uint8_t local[16], remote[16];

		put_addr(local, cases[i].local);
		put_addr(remote, cases[i].remote);
		assert_int_equal(port_range_reuses(&r, local, remote), cases[i].may);
	}
}

static void test_the_nearest_listener(void **state)
{
	struct states_netns n = { 0 };
	struct states *s = of_one_namespace(&n);
	struct socket_seen six = seen(TCP_LISTEN, "::", 81, "::", 0);

	(void)state;
	six.v6only = true;
	add(s, seen(TCP_LISTEN, "0.0.0.0", 80, "0.0.0.0", 0));
	add(s, seen(TCP_LISTEN, "10.0.0.1", 80, "0.0.0.0", 0));
	add(s, six);
	add(s, seen(TCP_ESTABLISHED, "10.0.0.1", 80, "10.0.0.9", 5000));
	add(s, seen(TCP_ESTABLISHED, "10.0.0.2", 80, "10.0.0.9", 5001));
	add(s, seen(TCP_CLOSE_WAIT, "10.0.0.2", 80, "10.0.0.9", 5002));
	add(s, seen(TCP_ESTABLISHED, "10.0.0.2", 81, "10.0.0.9", 5003));
	add(s, seen(TCP_ESTABLISHED, "fd00::1", 81, "fd00::2", 5004));
	states_build(s, NULL);
	assert_int_equal(find(s, BY_LISTENER, 81)->count[TCP_ESTABLISHED], 1);
	assert_int_equal(find(s, BY_DESTINATION, 0)->key.remote_port, 5003);
	for (size_t i = 0; i < states_count(s); i++) {
		const struct states_group *g = states_at(s, i);

		if (g->key.by == BY_LISTENER && g->key.local_port == 80)
			assert_int_equal(g->sockets, g->key.local[12] ? 2 : 3);
	}
	assert_int_equal(find(s, BY_NETNS, 0)->sockets, 8);
	states_free(s);
}

static void test_orphans_and_what_waits(void **state)
{
	static const struct {
		uint8_t state;
		bool file, ends;
		unsigned orphans, unaccepted;
	} cases[] = {
		{ TCP_FIN_WAIT1, false, false, 1, 0 },	  { TCP_FIN_WAIT2, false, false, 1, 0 },
		{ TCP_CLOSING, false, false, 1, 0 },	  { TCP_LAST_ACK, false, false, 1, 0 },
		{ TCP_FIN_WAIT2, false, true, 0, 0 },	  { TCP_TIME_WAIT, false, true, 0, 0 },
		{ TCP_FIN_WAIT2, true, false, 0, 0 },	  { TCP_ESTABLISHED, false, false, 0, 1 },
		{ TCP_CLOSE_WAIT, false, false, 0, 1 },	  { TCP_CLOSE_WAIT, true, false, 0, 0 },
		{ TCP_SYN_RECV, false, false, 0, 0 },	  { TCP_SYN_SENT, true, false, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct states_netns n = { 0 };
		struct states *s = of_one_namespace(&n);
		struct socket_seen one = seen(cases[i].state, "10.0.0.1", 4000, "10.0.0.2", 80);

		one.inode = cases[i].file;
		one.ends = cases[i].ends;
		add(s, one);
		states_build(s, NULL);
		assert_int_equal(find(s, BY_NETNS, 0)->orphans, cases[i].orphans);
		assert_int_equal(find(s, BY_NETNS, 0)->unaccepted, cases[i].unaccepted);
		assert_int_equal(find(s, BY_NETNS, 0)->unfound, cases[i].file);
		states_free(s);
	}
}

static void test_a_bound_of_the_age(void **state)
{
	struct states_netns n = { 0 };
	struct states *s = of_one_namespace(&n);
	struct socket_seen old = seen(TCP_CLOSE_WAIT, "10.0.0.1", 4000, "10.0.0.2", 80), young = old;
	struct socket_seen closing = seen(TCP_LAST_ACK, "10.0.0.1", 4002, "10.0.0.2", 80);

	(void)state;
	old.quiet_ms = 61000;
	young.quiet_ms = 5;
	closing.quiet_ms = 70000; /* says nothing of the close() that came after it */
	add(s, young);
	add(s, old);
	add(s, closing);
	states_build(s, NULL);
	assert_int_equal(find(s, BY_DESTINATION, 0)->oldest_ms[TCP_CLOSE_WAIT], 61000);
	assert_true(find(s, BY_DESTINATION, 0)->oldest_ms[TCP_LAST_ACK] == UINT64_MAX);
	states_free(s);
}

/* Nobody can close what accept() has not returned. */
static void test_stuck(void **state)
{
	struct states_netns n = { 0 };
	struct states *s = of_one_namespace(&n);
	struct socket_seen held = seen(TCP_CLOSE_WAIT, "10.0.0.1", 4000, "10.0.0.2", 80), waits = held, young = held;

	(void)state;
	held.quiet_ms = waits.quiet_ms = 61000;
	waits.inode = 0;
	young.quiet_ms = 59000;
	add(s, held);
	add(s, waits);
	add(s, young);
	states_build(s, NULL);
	assert_int_equal(find(s, BY_OWNER, 0)->stuck, 1);
	assert_int_equal(find(s, BY_OWNER, 0)->unaccepted, 1);
	states_free(s);
}

static void test_a_failed_visit_is_taken_back(void **state)
{
	struct states_netns n = { 0 };
	struct states *s = of_one_namespace(&n);

	(void)state;
	add(s, seen(TCP_ESTABLISHED, "10.0.0.1", 4000, "10.0.0.2", 80));
	n.netns = 8;
	states_begin(s, &n);
	add(s, seen(TCP_ESTABLISHED, "10.0.0.1", 4000, "10.0.0.2", 80));
	states_take_back(s);
	states_build(s, NULL);
	assert_int_equal(find(s, BY_NETNS, 0)->key.netns, 7);
	states_free(s);
}

/* Where the range has no port at all for connect(), nothing is nearer to its limit. */
static void test_no_usable_port(void **state)
{
	struct states_netns none = { .range = { .known = true, .low = 4000, .high = 4000 } };
	struct states_netns unknown = { 0 };
	struct states *s;

	(void)state;
	port_range_reserve(&none.range, "4000");
	s = of_one_namespace(&none);
	add(s, seen(TCP_ESTABLISHED, "10.0.0.1", 5000, "10.0.0.2", 80));
	states_build(s, NULL);
	assert_int_equal(find(s, BY_DESTINATION, 80)->ports.usable, 0);
	assert_true(find(s, BY_DESTINATION, 80)->share >= 1);
	states_free(s);
	s = of_one_namespace(&unknown);
	add(s, seen(TCP_ESTABLISHED, "10.0.0.1", 5000, "10.0.0.2", 80));
	states_build(s, NULL);
	assert_true(find(s, BY_DESTINATION, 80)->share < 0);
	states_free(s);
}

static void test_limits(void **state)
{
	(void)state;
	assert_true(owners_parse_limit("Limit  Soft\nMax open files            1024                 4096  files\n") == 1024);
	assert_true(owners_parse_limit("Max open files            unlimited            unlimited  files\n") == FILES_UNKNOWN);
	assert_true(owners_parse_limit("Max processes  5\n") == FILES_UNKNOWN);
	assert_true(owners_parse_limit("") == FILES_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reserved_ports),
		cmocka_unit_test(test_ports_that_run_out),
		cmocka_unit_test(test_ports_beside_the_range),
		cmocka_unit_test(test_an_unknown_range),
		cmocka_unit_test(test_stuck),
		cmocka_unit_test(test_who_may_use_ports_again),
		cmocka_unit_test(test_the_nearest_listener),
		cmocka_unit_test(test_orphans_and_what_waits),
		cmocka_unit_test(test_a_bound_of_the_age),
		cmocka_unit_test(test_a_failed_visit_is_taken_back),
		cmocka_unit_test(test_no_usable_port),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
