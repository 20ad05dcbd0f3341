// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* listeners: whose listener took a connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "bpf/maps.h"
#include "daemon/queues/listeners.h"

static struct event_listener event(enum listener_event what, uint64_t sock, const char *addr,
				   uint16_t port, uint32_t pid)
{
	struct event_listener e = {
		.header = { EVENT_LISTENER, sizeof(e), 7 },
		.socket = sock,
		.event = (uint8_t)what,
		.local_port = port,
		.pid = pid,
	};

	assert_int_equal(inet_pton(AF_INET6, addr, e.local_addr), 1);
	snprintf(e.comm, sizeof(e.comm), "p%u", pid);
	return e;
}

static void apply(struct listeners *l, struct event_listener e)
{
	if (e.event == LISTENER_CLOSED)
		listeners_remove(l, listeners_find(l, e.socket));
	else
		assert_non_null(listeners_put(l, &e));
}

/* A look at its queues. */
static void look(struct listeners *l, uint64_t sock, uint16_t port, uint32_t len, uint32_t drops)
{
	struct listener_sample sample = {
		.socket = sock,
		.state = { .netns = 7, .local_port = port },
		.accept_len = len,
		.accept_peak = len,
		.drops = drops,
	};

	listeners_sample(l, listeners_find(l, sock), &sample);
}

/* The pid of the owner of what took a connection at that time, from that listener if it is known; 0 for none. */
static uint32_t owner_of(struct listeners *l, uint64_t sock, uint64_t mono_ns, uint32_t netns, const char *addr,
			 uint16_t port)
{
	const struct listener_owner *o;
	const struct listener *p;
	uint8_t bytes[16];
	struct arrival arrival = { .socket = sock, .mono_ns = mono_ns, .netns = netns, .port = port,
				   .addr = bytes };

	assert_int_equal(inet_pton(AF_INET6, addr, bytes), 1);
	o = listeners_owner(l, &arrival);
	p = listeners_at(l, &arrival);
	if (p && p->owner_count)
		assert_ptr_equal(o, &p->owner[0]);
	return o ? o->pid : 0;
}

static uint32_t owner(struct listeners *l, uint32_t netns, const char *addr, uint16_t port)
{
	return owner_of(l, 0, UINT64_MAX, netns, addr, port);
}

static void test_specificity(void **state)
{
	struct listeners *l = listeners_new();

	(void)state;
	apply(l, event(LISTENER_OPENED, 1, "::", 80, 10));
	assert_int_equal(owner(l, 7, "::ffff:10.0.0.1", 80), 10); /* dual stack */
	apply(l, event(LISTENER_OPENED, 2, "::ffff:0.0.0.0", 80, 20));
	apply(l, event(LISTENER_OPENED, 3, "::ffff:10.0.0.1", 80, 30));
	assert_int_equal(owner(l, 7, "::ffff:10.0.0.1", 80), 30);
	assert_int_equal(owner(l, 7, "::ffff:10.0.0.2", 80), 20);
	assert_int_equal(owner(l, 7, "fd00::1", 80), 10);
	assert_int_equal(owner(l, 8, "fd00::1", 80), 0); /* another namespace */
	assert_int_equal(owner(l, 7, "fd00::1", 81), 0);
	listeners_free(l);
}

static void test_v6only(void **state)
{
	struct listeners *l = listeners_new();
	struct event_listener e = event(LISTENER_OPENED, 1, "::", 80, 10);

	(void)state;
	e.v6only = 1;
	apply(l, e);
	assert_int_equal(owner(l, 7, "::ffff:10.0.0.1", 80), 0);
	assert_int_equal(owner(l, 7, "fd00::1", 80), 10);
	listeners_free(l);
}

static void test_close_and_reuse(void **state)
{
	struct listeners *l = listeners_new();

	(void)state;
	apply(l, event(LISTENER_OPENED, 1, "::", 80, 10));
	apply(l, event(LISTENER_CLOSED, 1, "::", 80, 10));
	assert_int_equal(owner(l, 7, "::1", 80), 0);
	assert_int_equal(listeners_count(l), 0);
	apply(l, event(LISTENER_OPENED, 1, "::", 80, 11)); /* the slab gives the address again */
	assert_int_equal(owner(l, 7, "::1", 80), 11);
	apply(l, event(LISTENER_OPENED, 1, "::", 80, 12)); /* and the close was not seen */
	assert_int_equal(owner(l, 7, "::1", 80), 12);
	assert_int_equal(listeners_count(l), 1);
	listeners_free(l);
}

static void test_bound_late(void **state)
{
	struct listeners *l = listeners_new();

	(void)state;
	apply(l, event(LISTENER_OPENED, 1, "::", 0, 10));
	assert_int_equal(owner(l, 7, "::1", 40000), 0);
	apply(l, event(LISTENER_FOUND, 1, "::", 40000, 10)); /* a scan finds the port */
	assert_int_equal(owner(l, 7, "::1", 40000), 10);
	assert_int_equal(owner(l, 7, "::1", 0), 0);
	apply(l, event(LISTENER_OPENED, 2, "::", 0, 11));
	look(l, 2, 40001, 0, 0); /* or a look does */
	assert_int_equal(owner(l, 7, "::1", 40001), 11);
	assert_int_equal(listeners_count(l), 2);
	listeners_free(l);
}

/* Drops of before the first look are not ours to explain, unless the listener opened since. */
static void test_looks(void **state)
{
	struct listeners *l = listeners_new();

	(void)state;
	apply(l, event(LISTENER_FOUND, 1, "::", 80, 10));
	look(l, 1, 80, 5, 100);
	assert_int_equal(listeners_find(l, 1)->drops_accounted, 100);
	look(l, 1, 80, 2, 101);
	assert_int_equal(listeners_find(l, 1)->drops_accounted, 100);
	assert_int_equal(listeners_find(l, 1)->queue[QUEUE_ACCEPT].peak, 5);
	apply(l, event(LISTENER_OPENED, 2, "::", 81, 10));
	look(l, 2, 81, 0, 3);
	assert_int_equal(listeners_find(l, 2)->drops_accounted, 0);
	assert_false(listeners_port_shared(l, listeners_find(l, 1)));
	apply(l, event(LISTENER_OPENED, 3, "::", 81, 10));
	assert_true(listeners_port_shared(l, listeners_find(l, 2)));
	listeners_free(l);
}

static void test_reuseport(void **state)
{
	struct listeners *l = listeners_new();

	(void)state;
	apply(l, event(LISTENER_OPENED, 1, "::", 80, 10));
	apply(l, event(LISTENER_OPENED, 2, "::", 80, 10));
	assert_int_equal(owner(l, 7, "::1", 80), 10);
	apply(l, event(LISTENER_OPENED, 3, "::", 80, 11)); /* another process: it may be either's */
	assert_int_equal(owner(l, 7, "::1", 80), 0);
	apply(l, event(LISTENER_CLOSED, 3, "::", 80, 11));
	assert_int_equal(owner(l, 7, "::1", 80), 10);
	listeners_free(l);
}

/* The event shows the member's socket, which decides; also of a port that is not the connection's (TPROXY). */
static void test_member(void **state)
{
	struct event_listener late = event(LISTENER_OPENED, 8 << 20, "::", 80, 13);
	struct listeners *l = listeners_new();

	(void)state;
	late.mono_ns = 100;
	apply(l, event(LISTENER_OPENED, 1 << 20, "::", 80, 10));
	apply(l, event(LISTENER_OPENED, 2 << 20, "::", 80, 11));
	apply(l, event(LISTENER_OPENED, 3 << 20, "::", 8443, 12));
	assert_int_equal(owner_of(l, 1 << 20, 50, 7, "::1", 80), 10);
	assert_int_equal(owner_of(l, 2 << 20, 50, 7, "::1", 80), 11);
	assert_int_equal(owner_of(l, 3 << 20, 50, 7, "::1", 80), 12);
	assert_int_equal(owner_of(l, 0, 50, 7, "::1", 80), 0);
	apply(l, event(LISTENER_CLOSED, 2 << 20, "::", 80, 11));
	assert_int_equal(owner_of(l, 2 << 20, 50, 7, "::1", 80), 0); /* it was not the other one */
	assert_int_equal(owner_of(l, 0, 50, 7, "::1", 80), 10);
	apply(l, event(LISTENER_CLOSED, 1 << 20, "::", 80, 10));
	apply(l, late);
	assert_int_equal(owner_of(l, 8 << 20, 50, 7, "::1", 80), 0); /* a successor, in the same memory */
	assert_int_equal(owner_of(l, 0, 50, 7, "::1", 80), 0);
	assert_int_equal(owner_of(l, 8 << 20, 100, 7, "::1", 80), 13);
	listeners_free(l);
}

/* Found in /proc, whose sockets have no address: the event's says nothing of them. */
static void test_member_without_address(void **state)
{
	struct event_listener e = event(LISTENER_FOUND, 0, "::", 80, 10);
	struct listeners *l = listeners_new();

	(void)state;
	e.inode = 4711;
	apply(l, e);
	assert_int_equal(owner_of(l, 1 << 20, 50, 7, "::1", 80), 10);
	apply(l, event(LISTENER_OPENED, 2 << 20, "::", 80, 11));
	assert_int_equal(owner_of(l, 1 << 20, 50, 7, "::1", 80), 10);
	assert_int_equal(owner_of(l, 2 << 20, 50, 7, "::1", 80), 11);
	listeners_free(l);
}

/* nginx: the process that called listen() is gone, the master and its workers hold the socket. */
static void test_scan(void **state)
{
	struct listeners *l = listeners_new();

	(void)state;
	apply(l, event(LISTENER_OPENED, 1, "::", 80, 5));
	apply(l, event(LISTENER_OPENED, 2, "::", 81, 6));
	listeners_scan_begin(l);
	apply(l, event(LISTENER_FOUND, 1, "::", 80, 21));
	apply(l, event(LISTENER_FOUND, 1, "::", 80, 20));
	apply(l, event(LISTENER_FOUND, 1, "::", 80, 22));
	listeners_scan_end(l);
	assert_int_equal(owner(l, 7, "::1", 80), 20);
	assert_int_equal(listeners_find(l, 1)->owner_count, 3);
	assert_int_equal(owner(l, 7, "::1", 81), 0); /* nobody holds it any more */
	listeners_free(l);
}

/* systemd holds what it activates: the service is meant. */
static void test_socket_activation(void **state)
{
	struct listeners *l = listeners_new();

	(void)state;
	listeners_scan_begin(l);
	apply(l, event(LISTENER_FOUND, 1, "::", 22, 1));
	apply(l, event(LISTENER_FOUND, 1, "::", 22, 300));
	listeners_scan_end(l);
	assert_int_equal(owner(l, 7, "::1", 22), 300);
	listeners_free(l);
}

static struct event_listener held_by(uint32_t pid, const char *comm, bool init)
{
	struct event_listener e = event(LISTENER_FOUND, 1, "::", 22, pid);

	memset(e.comm, 0, sizeof(e.comm));
	snprintf(e.comm, sizeof(e.comm), "%s", comm);
	e.init = init;
	return e;
}

/* So does a user's systemd. A container's init may; but not for workers of its own name, and what they start. */
static void test_keepers(void **state)
{
	static const struct {
		const char *comm[3]; /* of the processes 20, 21, 22 */
		bool init; /* the first of them is */
		uint32_t owner;
	} cases[] = {
		{ { "systemd", "web", "web" }, false, 21 },
		{ { "systemd", "systemd", "web" }, false, 22 },
		{ { "init", "web", "web" }, true, 21 },
		{ { "nginx", "nginx", "cat" }, true, 20 },
		{ { "nginx", "cat", "nginx" }, true, 20 },
		{ { "web", "cat", "cat" }, false, 20 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (uint32_t first = 0; first < 3; first++) { /* in whatever order they are found */
			struct listeners *l = listeners_new();

			listeners_scan_begin(l);
			for (uint32_t n = 0; n < 3; n++) {
				uint32_t which = (first + n) % 3;

				apply(l, held_by(20 + which, cases[i].comm[which], cases[i].init && !which));
			}
			listeners_scan_end(l);
			assert_int_equal(owner(l, 7, "::1", 22), cases[i].owner);
			listeners_free(l);
		}
	}
}

/* It has another name now (exec), or its number is another process's. */
static void test_owner_that_changes(void **state)
{
	struct listeners *l = listeners_new();
	struct listener *p;

	(void)state;
	apply(l, held_by(20, "systemd", false));
	apply(l, held_by(21, "web", false));
	p = listeners_find(l, 1);
	apply(l, held_by(20, "service", false));
	assert_int_equal(p->owner_count, 2);
	assert_int_equal(p->owner[0].pid, 20);
	assert_string_equal(p->owner[0].comm, "service");
	p->changed = false;
	listeners_disown(l, 22);
	assert_false(p->changed);
	listeners_disown(l, 20);
	assert_true(p->changed);
	assert_int_equal(p->owner_count, 1);
	assert_int_equal(owner(l, 7, "::1", 22), 21);
	listeners_disown(l, 21);
	assert_int_equal(owner(l, 7, "::1", 22), 0);
	listeners_free(l);
}

static bool alive(uint32_t pid)
{
	return pid != 10;
}

static void test_orphans(void **state)
{
	struct listeners *l = listeners_new();

	(void)state;
	apply(l, event(LISTENER_OPENED, 1, "::", 80, 11));
	assert_false(listeners_orphaned(l, alive));
	apply(l, event(LISTENER_OPENED, 2, "::", 81, 10));
	assert_true(listeners_orphaned(l, alive));
	listeners_free(l);
}

static bool nobody_lives(uint32_t pid)
{
	(void)pid;
	return false;
}

/* NFS: no scan finds its socket, for it has no file. */
static void test_listener_of_the_kernel(void **state)
{
	struct listeners *l = listeners_new();

	(void)state;
	apply(l, event(LISTENER_OPENED, 1, "::", 2049, KERNEL_PID));
	listeners_scan_begin(l);
	listeners_scan_end(l);
	assert_int_equal(owner(l, 7, "::1", 2049), KERNEL_PID);
	assert_false(listeners_orphaned(l, nobody_lives));
	listeners_free(l);
}

static struct listener_sample at(uint64_t socket, uint64_t seconds, uint32_t peak)
{
	return (struct listener_sample){ .socket = socket, .mono_ns = seconds * 1000000000ULL,
					 .accept_peak = peak, .state.local_port = 80 };
}

/* Connections of which only the port is known: whose peak they made is known if one listener has the port. */
static void test_peak_of_a_port(void **state)
{
	struct listener_sample own = { .socket = 1, .state.local_port = 80, .accept_peak = 3, .port_peak = 5 };
	struct listeners *l = listeners_new();

	(void)state;
	apply(l, event(LISTENER_OPENED, 1, "::", 80, 10));
	listeners_sample(l, listeners_find(l, 1), &own);
	assert_int_equal(listeners_find(l, 1)->queue[QUEUE_ACCEPT].peak, 5);
	own.port_peak = 9;
	apply(l, event(LISTENER_OPENED, 2, "::1", 80, 10));
	listeners_sample(l, listeners_find(l, 1), &own);
	assert_int_equal(listeners_find(l, 1)->queue[QUEUE_ACCEPT].peak, 5);
	assert_int_equal(listeners_find(l, 1)->sample.accept_peak, 3);
	listeners_free(l);
}

/* A peak is shown for 30 s at least and a minute at most, however often one looks. */
static void test_peak_of_a_window(void **state)
{
	static const struct {
		uint64_t seconds;
		uint32_t peak, reported;
	} looks[] = {
		{ 100, 3, 3 }, { 110, 9, 9 }, { 129, 1, 9 }, { 130, 2, 9 }, { 159, 0, 9 },
		{ 160, 0, 2 }, { 190, 0, 0 }, { 195, 4, 4 }, { 500, 1, 1 },
	};
	struct listeners *l = listeners_new();
	struct event_listener e = event(LISTENER_OPENED, 1, "::", 80, 10);
	struct listener *p = listeners_put(l, &e);

	(void)state;
	assert_int_equal(listener_peak(p, QUEUE_ACCEPT), 0);
	for (size_t i = 0; i < sizeof(looks) / sizeof(*looks); i++) {
		struct listener_sample s = at(1, looks[i].seconds, looks[i].peak);

		s.syn_peak = 10 * looks[i].peak;
		listeners_sample(l, p, &s);
		assert_int_equal(listener_peak(p, QUEUE_ACCEPT), looks[i].reported);
		assert_int_equal(listener_peak(p, QUEUE_SYN), 10 * looks[i].reported);
	}
	assert_int_equal(p->queue[QUEUE_ACCEPT].peak, 9); /* no record was made */
	assert_int_equal(p->queue[QUEUE_SYN].peak, 90);
	listeners_free(l);
}

static void test_anybody_at_a_port(void **state)
{
	struct listeners *l = listeners_new();
	struct event_listener e = event(LISTENER_OPENED, 1, "::1", 80, 10);
	uint32_t netns = e.header.netns;

	(void)state;
	assert_false(listeners_any(l, netns, 80));
	listeners_put(l, &e);
	assert_true(listeners_any(l, netns, 80));
	assert_false(listeners_any(l, netns, 81));
	assert_false(listeners_any(l, netns + 1, 80));
	listeners_remove(l, listeners_find(l, 1));
	assert_false(listeners_any(l, netns, 80));
	listeners_free(l);
}

/* /proc shows a socket by its inode: what an event says later of the same one is said of it. */
static void test_found_by_its_inode(void **state)
{
	struct event_listener found = event(LISTENER_FOUND, 0, "::", 80, 10), gone = event(LISTENER_CLOSED, 0xffff8801, "::", 80, 10);
	struct listeners *l = listeners_new();
	struct listener *p;

	(void)state;
	found.inode = gone.inode = 4711;
	p = listeners_put(l, &found);
	assert_false(listener_has_address(p));
	assert_int_equal(owner(l, 7, "fd00::1", 80), 10);
	found.pid = 11; /* a second holder */
	assert_ptr_equal(listeners_put(l, &found), p);
	assert_int_equal(p->owner_count, 2);
	assert_ptr_equal(listeners_of(l, &gone), p);
	gone.inode = 4712; /* another socket of this port */
	assert_null(listeners_of(l, &gone));
	listeners_remove(l, p);

	/* The other way round: it opened, at no port yet, and /proc shows which one it got. */
	apply(l, (gone = event(LISTENER_OPENED, 0xffff8801, "::", 0, 10), gone.inode = 4711, gone));
	found.local_port = 4000;
	p = listeners_put(l, &found);
	assert_true(listener_has_address(p));
	assert_int_equal(listeners_count(l), 1);
	assert_int_equal(owner(l, 7, "fd00::1", 4000), 10);
	listeners_free(l);
}

/* A listener that no process holds any more is there all the same. */
static void test_found_without_a_holder(void **state)
{
	struct event_listener found = event(LISTENER_FOUND, 0, "::", 80, 0);
	struct listeners *l = listeners_new();

	(void)state;
	found.inode = 4711;
	assert_int_equal(listeners_put(l, &found)->owner_count, 0);
	listeners_free(l);
}

struct visit {
	struct listeners *l;
	unsigned int seen, removed;
};

static void remove_even(void *ctx, struct listener *p)
{
	struct visit *v = ctx;

	v->seen++;
	if (p->port % 2 == 0) {
		listeners_remove(v->l, p);
		v->removed++;
	}
}

static void count_one(void *ctx, struct listener *p)
{
	struct visit *v = ctx;

	v->seen += p->port;
}

/* Each has its turn once, though others are removed meanwhile. */
static void test_removed_while_each_has_its_turn(void **state)
{
	struct visit v = { .l = listeners_new() };

	(void)state;
	for (uint16_t port = 1; port <= 200; port++)
		apply(v.l, event(LISTENER_OPENED, port, "::", port, 10));
	listeners_each(v.l, remove_even, &v);
	assert_int_equal(v.seen, 200);
	assert_int_equal(v.removed, 100);
	assert_int_equal(listeners_count(v.l), 100);
	v.seen = 0;
	listeners_each(v.l, count_one, &v);
	assert_int_equal(v.seen, 100 * 100); /* the sum of the odd ones */
	listeners_free(v.l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_specificity),
		cmocka_unit_test(test_v6only),
		cmocka_unit_test(test_close_and_reuse),
		cmocka_unit_test(test_bound_late),
		cmocka_unit_test(test_looks),
		cmocka_unit_test(test_reuseport),
		cmocka_unit_test(test_member),
		cmocka_unit_test(test_member_without_address),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_listener_of_the_kernel),
		cmocka_unit_test(test_socket_activation),
		cmocka_unit_test(test_keepers),
		cmocka_unit_test(test_owner_that_changes),
		cmocka_unit_test(test_orphans),
		cmocka_unit_test(test_peak_of_a_port),
		cmocka_unit_test(test_peak_of_a_window),
		cmocka_unit_test(test_anybody_at_a_port),
		cmocka_unit_test(test_found_by_its_inode),
		cmocka_unit_test(test_found_without_a_holder),
		cmocka_unit_test(test_removed_while_each_has_its_turn),
	};

	return cmocka_run_group_tests_name("listeners", tests, NULL, NULL);
}
