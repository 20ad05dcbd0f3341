// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A listener opens at the address of one whose end was not seen: that one's end is reported, and what is kept of its port goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/kernel/source.h"
#include "daemon/queues/queues.h"

#define NETNS 4
#define SOCKET 0xffff888100000000ULL

static struct listeners *listeners;
static struct queues *queues;
static struct {
	enum listener_change change;
	uint64_t mono_ns;
	uint16_t port;
} reports[8];
static unsigned int reported;
static uint16_t forgotten; /* the port whose entry the kernel side was to forget */

/* ---- a kernel side that knows nothing ---- */

bool source_bounds_acks(const struct source *s) { return !s; }
bool source_reports_acks(const struct source *s) { return !s; }
bool source_reports_syns(const struct source *s) { return !s; }
bool source_sees_accept(const struct source *s) { return s; }
bool source_sees_queue(const struct source *s, enum overflow_queue which) { return s && which; }
bool source_listens_again(const struct source *s, uint64_t socket) { return !s && socket; }
uint32_t source_unreported(const struct source *s) { return s ? 1 : 0; }

bool source_depth(const struct source *s, enum overflow_queue which, const struct queue_place *place, struct depth *sum)
{
	return s && which && place && sum;
}

bool source_wait(const struct source *s, const struct queue_place *place, struct latency *sum)
{
	return s && place && sum;
}

int source_counters(const struct source *s, struct counters *sum)
{
	memset(sum, 0, sizeof(*sum));
	return s ? -1 : 0;
}

void source_missed(const struct source *s, uint64_t missed[MISSED_KINDS])
{
	(void)s;
	memset(missed, 0, MISSED_KINDS * sizeof(*missed));
}

void source_namespace(const struct source *s, uint32_t netns, struct namespace_counts *counts)
{
	(void)s;
	(void)netns;
	memset(counts, 0, sizeof(*counts));
}

int source_look(struct source *s, const struct look_request *requests, size_t count,
		void (*fn)(void *ctx, size_t index, const struct listener_sample *sample), void *ctx)
{
	return s && requests && count && fn && ctx ? -1 : 0;
}

int source_look_again(struct source *s, const struct look_request *requests, size_t count,
		      void (*fn)(void *ctx, size_t index, const struct listener_sample *sample), void *ctx)
{
	return source_look(s, requests, count, fn, ctx);
}

void source_forget_listener(struct source *s, uint64_t socket)
{
	(void)s;
	(void)socket;
}

void source_forget_queue(struct source *s, uint64_t queue)
{
	(void)s;
	(void)queue;
}

void source_forget_namespace(struct source *s, uint32_t netns)
{
	(void)s;
	(void)netns;
}

void source_forget_port(struct source *s, uint32_t netns, uint16_t port)
{
	(void)s;
	(void)netns;
	(void)port;
}

void source_forget_service(struct source *s, uint32_t netns, uint16_t port)
{
	(void)s;
	assert_int_equal(netns, NETNS);
	forgotten = port;
}

/* ---- what comes ---- */

static void take_report(void *ctx, const struct listener *p, enum listener_change change, uint64_t mono_ns)
{
	(void)ctx;
	reports[reported].change = change;
	reports[reported].mono_ns = mono_ns;
	reports[reported++].port = p->port;
}

static int begin(void **state)
{
	const struct queues_handler handler = { .listener = take_report };

	(void)state;
	reported = 0;
	forgotten = 0;
	listeners = listeners_new();
	queues = queues_new(NULL, listeners, &handler);
	return !listeners || !queues;
}

static int end(void **state)
{
	(void)state;
	queues_free(queues);
	listeners_free(listeners);
	return 0;
}

static void comes(enum listener_event event, uint16_t port, uint64_t mono_ns)
{
	const struct event_listener e = { .header.netns = NETNS, .event = event, .socket = SOCKET, .local_port = port,
					  .mono_ns = mono_ns };

	queues_listener(queues, &e);
}

static void test_another_port(void **state)
{
	(void)state;
	comes(LISTENER_OPENED, 80, 1000);
	comes(LISTENER_OPENED, 81, 2000);
	assert_int_equal(reported, 3);
	assert_int_equal(reports[1].change, CHANGE_CLOSED);
	assert_int_equal(reports[1].port, 80);
	assert_int_equal(reports[1].mono_ns, 2000);
	assert_int_equal(reports[2].change, CHANGE_OPENED);
	assert_int_equal(reports[2].port, 81);
	assert_int_equal(forgotten, 80);
	assert_int_equal(listeners_count(listeners), 1);
}

/* What is kept of the port is the new one's by then. */
static void test_same_port(void **state)
{
	(void)state;
	comes(LISTENER_OPENED, 80, 1000);
	comes(LISTENER_OPENED, 80, 2000);
	assert_int_equal(reported, 3);
	assert_int_equal(reports[1].change, CHANGE_CLOSED);
	assert_int_equal(forgotten, 0);
}

/* A scan found it before its event was read. */
static void test_found_before(void **state)
{
	(void)state;
	comes(LISTENER_FOUND, 80, 0);
	comes(LISTENER_OPENED, 80, 2000);
	assert_int_equal(reported, 1);
	assert_int_equal(reports[0].change, CHANGE_OPENED);
	assert_int_equal(listeners_count(listeners), 1);
}

/* A look saw it listen before the other one opened. */
static void test_looked_at_before(void **state)
{
	const struct listener_sample look = { .socket = SOCKET, .mono_ns = 1500, .state.local_port = 80 };

	(void)state;
	comes(LISTENER_FOUND, 80, 0);
	listeners_sample(listeners, listeners_find(listeners, SOCKET), &look);
	comes(LISTENER_OPENED, 81, 2000);
	assert_int_equal(reported, 2);
	assert_int_equal(reports[0].change, CHANGE_CLOSED);
	assert_int_equal(forgotten, 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_another_port, begin, end),
		cmocka_unit_test_setup_teardown(test_same_port, begin, end),
		cmocka_unit_test_setup_teardown(test_found_before, begin, end),
		cmocka_unit_test_setup_teardown(test_looked_at_before, begin, end),
	};

	return cmocka_run_group_tests_name("replaced", tests, NULL, NULL);
}
