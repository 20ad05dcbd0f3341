// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The index of listeners: thousands at one port, with an address each, cost no more than as many at a port each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "common/clock.h"
#include "daemon/queues/listeners.h"

#define MANY 18000
#define NETNS 7

static struct event_listener event(uint32_t i, uint16_t port)
{
	struct event_listener e = {
		.header = { EVENT_LISTENER, sizeof(e), NETNS },
		.socket = 0xffff888000000000ULL + i * 64,
		.inode = 1000 + i,
		.event = LISTENER_OPENED,
		.local_addr = { [10] = 0xff, [11] = 0xff, [12] = 127, [13] = 1, [14] = (uint8_t)(i >> 8), [15] = (uint8_t)i },
		.local_port = port,
		.pid = 1 + i,
	};

	return e;
}

static struct listener *find(struct listeners *l, const struct event_listener *e)
{
	const struct arrival a = { .mono_ns = 1, .netns = NETNS, .port = e->local_port, .addr = e->local_addr };

	return (struct listener *)listeners_at(l, &a);
}

/* The CPU time of finding each by its address and by its inode, and of its end. */
static uint64_t cost(bool same_port)
{
	struct listeners *l = listeners_new();
	uint64_t begin_ns;

	for (uint32_t i = 0; i < MANY; i++) {
		struct event_listener e = event(i, same_port ? 80 : (uint16_t)(1 + i));

		assert_non_null(listeners_put(l, &e));
	}
	begin_ns = clock_cpu_ns();
	for (uint32_t i = 0; i < MANY; i++) {
		struct event_listener e = event(i, same_port ? 80 : (uint16_t)(1 + i));
		struct listener *p = find(l, &e);

		assert_non_null(p);
		assert_int_equal(p->owner[0].pid, 1 + i);
		assert_true(listeners_port_shared(l, p) == (same_port && i < MANY - 1));
		e.socket = 0;
		assert_ptr_equal(listeners_of(l, &e), p);
		listeners_remove(l, p);
		assert_null(find(l, &e));
		assert_true(listeners_any(l, NETNS, e.local_port) == (same_port && i < MANY - 1));
	}
	begin_ns = clock_cpu_ns() - begin_ns;
	assert_int_equal(listeners_count(l), 0);
	listeners_free(l);
	return begin_ns;
}

static void test_one_port(void **state)
{
	uint64_t spread = cost(false), same = cost(true);

	(void)state;
	print_message("%d listeners: %.1f ms at a port each, %.1f ms at one port\n", MANY, (double)spread / 1e6,
		      (double)same / 1e6);
	assert_true(same < 10 * spread);
}

/* The address first, then the wildcards; one that shares a bucket with another changes nothing. */
static void test_order(void **state)
{
	struct listeners *l = listeners_new();
	struct event_listener exact = event(1, 80), any4 = event(2, 80), any6 = event(3, 80), other = event(4, 81);

	(void)state;
	inet_pton(AF_INET6, "::ffff:0.0.0.0", any4.local_addr);
	inet_pton(AF_INET6, "::", any6.local_addr);
	inet_pton(AF_INET6, "::", other.local_addr);
	assert_non_null(listeners_put(l, &other));
	assert_null(find(l, &exact));
	assert_non_null(listeners_put(l, &any6));
	assert_int_equal(find(l, &exact)->owner[0].pid, any6.pid);
	assert_non_null(listeners_put(l, &any4));
	assert_int_equal(find(l, &exact)->owner[0].pid, any4.pid);
	assert_non_null(listeners_put(l, &exact));
	assert_int_equal(find(l, &exact)->owner[0].pid, exact.pid);
	listeners_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_port),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests_name("listener_index", tests, NULL, NULL);
}
