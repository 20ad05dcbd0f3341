// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How far clocks are apart, by the bounds that connections give; and whose records are whose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/feed/hosts.h"
#include "common/clock.h"

#define MS ((int64_t)NSEC_PER_MSEC)
#define BEGIN ((int64_t)1795000000 * (int64_t)NSEC_PER_SEC)

struct way {
	int64_t out_ns, back_ns; /* from client to server, and back */
};

/* One side of an established connection. */
static struct record side(const char *conn, uint32_t host, int role, int64_t end_ns, int64_t latency_ns)
{
	return (struct record){ .type = RECORD_HANDSHAKE, .host_number = host, .wall_ns = (uint64_t)end_ns,
				.handshake = { .conn = conn, .role = role, .outcome = OUTCOME_ESTABLISHED,
					       .latency_ns = (uint64_t)latency_ns } };
}

/* A connection from `client` to `server`, whose clocks are ahead of the truth. */
static void connected(struct clocks *c, unsigned number, uint32_t client, int64_t client_ahead, uint32_t server,
		      int64_t server_ahead, struct way way)
{
	int64_t at = BEGIN + number * MS, back = at + way.out_ns + way.back_ns, ack = back + way.out_ns;
	char conn[20];
	struct record r;

	snprintf(conn, sizeof(conn), "%016x", 1000 + number);
	r = side(conn, client, ROLE_ACTIVE, back + client_ahead, way.out_ns + way.back_ns);
	clocks_add(c, &r);
	r = side(conn, server, ROLE_PASSIVE, ack + server_ahead, way.out_ns + way.back_ns);
	clocks_add(c, &r);
}

static void check(struct clocks *c, uint32_t host, int64_t ahead_ns, uint64_t connections, uint64_t most_ns)
{
	struct clock_reading r = clocks_read(c, host);
	int64_t wrong = r.ahead_ns - ahead_ns;

	assert_true(r.known);
	assert_int_equal(r.connections, connections);
	assert_in_range(r.bound_ns, 0, most_ns);
	assert_in_range(wrong < 0 ? -wrong : wrong, 0, r.bound_ns);
}

/* The truth is within the bound, however unlike the two ways are. */
static void test_one_pair(void **state)
{
	static const struct way ways[] = { { MS, MS }, { 3 * MS, MS / 2 }, { MS / 10, 9 * MS }, { 1, 1 } };
	static const int64_t aheads[] = { 300 * MS, -300 * MS, 0, 3600 * 1000 * MS };

	(void)state;
	for (size_t w = 0; w < 4; w++) {
		for (size_t i = 0; i < 4; i++) {
			struct clocks *c = clocks_new();

			for (unsigned n = 0; n < 20; n++)
				connected(c, n, 0, 0, 1, aheads[i], ways[w]);
			for (unsigned n = 20; n < 30; n++)
				connected(c, n, 1, aheads[i], 0, 0, ways[w]);
			check(c, 1, aheads[i], 30, 5 * MS);
			clocks_free(c);
		}
	}
}

/* Slow ones do not count, nor does one whose clock was set meanwhile. */
static void test_outliers(void **state)
{
	struct clocks *c = clocks_new();

	(void)state;
	for (unsigned n = 0; n < 40; n++)
		connected(c, n, 0, 0, 1, 300 * MS, n % 2 ? (struct way){ 400 * MS, MS } : (struct way){ MS / 5, MS / 5 });
	connected(c, 40, 0, 0, 1, 9000 * MS, (struct way){ 1, 1 });
	check(c, 1, 300 * MS, 41, MS / 2);
	clocks_free(c);
}

/* Two hosts that have no connection are compared over a third; one that has none at all is not. */
static void test_chain(void **state)
{
	struct clocks *c = clocks_new();

	(void)state;
	for (unsigned n = 0; n < 10; n++) {
		connected(c, 2 * n, 2, -50 * MS, 0, 0, (struct way){ MS, MS });
		connected(c, 2 * n + 1, 1, 20 * MS, 2, -50 * MS, (struct way){ MS, MS });
	}
	check(c, 2, -50 * MS, 10, 2 * MS);
	check(c, 1, 20 * MS, 10, 4 * MS);
	assert_false(clocks_read(c, 3).known);
	assert_int_equal(clocks_ahead(c, 3), 0);
	clocks_free(c);
}

/* What says nothing: one host, one side, a time that nobody knows, a retransmission. */
static void test_nothing(void **state)
{
	struct clocks *c = clocks_new();
	struct record r;

	(void)state;
	connected(c, 1, 0, 0, 0, 0, (struct way){ MS, MS });
	r = side("00000000000000aa", 0, ROLE_ACTIVE, BEGIN, MS);
	clocks_add(c, &r);
	r = side("00000000000000aa", 1, ROLE_PASSIVE, BEGIN, MS);
	r.handshake.latency_ns = NS_UNKNOWN;
	clocks_add(c, &r);
	r = side("00000000000000aa", 1, ROLE_PASSIVE, BEGIN, MS);
	r.handshake.retransmits = 1;
	clocks_add(c, &r);
	assert_false(clocks_read(c, 1).known);
	clocks_free(c);
}

/* ---- hosts ---- */

static struct record parsed(const char *line)
{
	struct record r;
	char error[160];

	if (record_parse(line, strlen(line), &r, error, sizeof(error)) != RECORD_GOOD)
		fail_msg("%s: %s", line, error);
	return r;
}

static uint32_t take(struct hosts *h, const char *line, uint32_t source, const char *name, int64_t *missing)
{
	struct record r = parsed(line);
	uint32_t number;

	assert_true(hosts_name(h, &r, source, name));
	*missing += hosts_missing(h, &r, source);
	number = r.host_number;
	record_free(&r);
	return number;
}

#define LOSS(seq, rest) "{\"v\":1,\"type\":\"loss\",\"seq\":" #seq ",\"what\":\"a\",\"why\":\"b\",\"count\":1" rest "}"
#define HELLO_AGAIN "{\"v\":1,\"type\":\"hello\",\"seq\":1,\"repeated\":true}"
#define NAMED(host, feed) ",\"host\":\"" host "\",\"feed\":\"" feed "\""

/* A host is known by its name in any recording; without one, each recording is a host. */
static void test_names(void **state)
{
	struct hosts *h = hosts_new();
	int64_t missing = 0;

	(void)state;
	assert_int_equal(take(h, LOSS(1, NAMED("a", "00000001")), 0, "x", &missing), 0);
	assert_int_equal(take(h, LOSS(1, NAMED("b", "00000001")), 0, "x", &missing), 1);
	assert_int_equal(take(h, LOSS(2, NAMED("a", "00000001")), 1, "y", &missing), 0);
	assert_int_equal(take(h, LOSS(1, ""), 2, "a", &missing), 2);
	assert_int_equal(take(h, LOSS(1, ""), 3, "a", &missing), 3);
	assert_int_equal(hosts_count(h), 4);
	assert_int_equal(missing, 0);
	hosts_free(h);
}

/* The gaps of each feed, also where their records are mixed and out of order. */
static void test_gaps(void **state)
{
	struct hosts *h = hosts_new();
	int64_t missing = 0;

	(void)state;
	take(h, LOSS(1, NAMED("a", "00000001")), 0, NULL, &missing);
	take(h, LOSS(9, NAMED("a", "00000002")), 0, NULL, &missing);
	take(h, LOSS(5, NAMED("b", "00000001")), 0, NULL, &missing);
	take(h, LOSS(3, NAMED("a", "00000001")), 0, NULL, &missing);
	assert_int_equal(missing, 1);
	take(h, LOSS(2, NAMED("a", "00000001")), 0, NULL, &missing);
	assert_int_equal(missing, 0);
	take(h, LOSS(4, ""), 1, NULL, &missing);
	take(h, LOSS(7, ""), 1, NULL, &missing);
	assert_int_equal(missing, 2);
	take(h, LOSS(1, ""), 1, NULL, &missing); /* another feed */
	take(h, LOSS(2, ""), 1, NULL, &missing);
	assert_int_equal(missing, 2);
	take(h, HELLO_AGAIN, 1, NULL, &missing); /* of one more feed, whose beginning is not there */
	take(h, LOSS(7, ""), 1, NULL, &missing);
	assert_int_equal(missing, 2);
	hosts_free(h);
}

static void test_wall_clock(void **state)
{
	static const struct {
		const char *ts;
		uint64_t ns;
	} times[] = {
		{ "1970-01-01T00:00:00.000000001Z", 1 },
		{ "2000-02-29T23:59:59.999999999Z", 951868799999999999 },
		{ "2026-11-20T10:47:46.123456789Z", 1795171666123456789 },
		{ "2026-11-20T10:47:46.123Z", 0 },
		{ "2026-11-20 10:47:46.123456789Z", 0 },
		{ "x", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		char line[120];
		struct record r;

		snprintf(line, sizeof(line), "{\"v\":1,\"type\":\"x\",\"ts\":\"%s\"}", times[i].ts);
		r = parsed(line);
		assert_int_equal(r.wall_ns, times[i].ns);
		record_free(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_pair), cmocka_unit_test(test_outliers), cmocka_unit_test(test_chain),
		cmocka_unit_test(test_nothing),	 cmocka_unit_test(test_names),	  cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_wall_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
