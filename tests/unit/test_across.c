// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the records of one host say of a client's attempt on another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/explain/across.h"
#include "common/clock.h"

#define CONN "0123456789abcdef"
#define AHEAD_MS 300 /* host-b, of host-a */

static const struct host_report hosts[] = {
	{ .name = "host-a", .clock = { .known = true } },
	{ .name = "host-b", .clock = { .known = true, .ahead_ns = AHEAD_MS * (int64_t)NSEC_PER_MSEC, .bound_ns = 400000 } },
	{ .name = "host-c", .clock = { .known = true } },
};

struct scene {
	struct across *across;
	uint32_t attempt;
};

static void add(struct scene *s, uint32_t host, const char *line)
{
	struct record r;
	char error[160];

	if (record_parse(line, strlen(line), &r, error, sizeof(error)) != RECORD_GOOD)
		fail_msg("%s: %s", line, error);
	r.host_number = host;
	assert_true(across_add(s->across, &r));
	if (r.type == RECORD_HANDSHAKE && r.handshake.role == ROLE_ACTIVE)
		assert_true(across_attempt(s->across, &r, &s->attempt));
	record_free(&r);
}

/* Its SYN left at second 10; 10.0.0.1:5000 to 10.0.0.2:443, from host-a. */
static struct scene failed_with(const char *outcome, unsigned seconds)
{
	struct scene s = { .across = across_new() };
	char line[500];

	snprintf(line, sizeof(line), "{\"v\":1,\"type\":\"handshake\",\"ts\":\"2026-11-20T10:00:%02u.000000000Z\",\"conn\":\"" CONN
		 "\",\"role\":\"active\",\"outcome\":\"%s\",\"netns\":1,\"local\":{\"addr\":\"10.0.0.1\",\"port\":5000},"
		 "\"remote\":{\"addr\":\"10.0.0.2\",\"port\":443},\"latency_ns\":%u000000000,\"retransmits\":1}",
		 10 + seconds, outcome, seconds);
	add(&s, 0, line);
	return s;
}

/* The queue refused, by the clock of that host, in the 200 ms up to `ms` after second 10. */
static void refused(struct scene *s, uint32_t host, unsigned ms, const char *more)
{
	char line[500];

	snprintf(line, sizeof(line), "{\"v\":1,\"type\":\"overflow\",\"ts\":\"2026-11-20T10:00:%02u.%03u000000Z\",\"stage\":\"syn\","
		 "\"queue\":\"accept\",\"action\":\"dropped\",\"count\":2,\"netns\":7,\"interval_ns\":200000000,"
		 "\"cause\":{\"code\":\"accept_queue_full\",\"certainty\":\"proven\",\"detail\":\"Full.\"},"
		 "\"accept_queue\":{\"len\":3,\"max\":2},\"listener\":{\"addr\":\"0.0.0.0\",\"port\":443}%s}",
		 10 + ms / 1000, ms % 1000, more);
	add(s, host, line);
}

static void owns(struct scene *s, uint32_t host, unsigned second)
{
	char line[400];

	snprintf(line, sizeof(line), "{\"v\":1,\"type\":\"handshake\",\"ts\":\"2026-11-20T10:00:%02u.000000000Z\",\"conn\":null,"
		 "\"role\":\"passive\",\"outcome\":\"established\",\"netns\":7,\"local\":{\"addr\":\"10.0.0.2\",\"port\":443},"
		 "\"remote\":{\"addr\":\"10.0.0.9\",\"port\":7},\"latency_ns\":1}", second);
	add(s, host, line);
}

static bool find(struct scene *s, const struct host_report *by, struct across_finding *f)
{
	bool found;

	across_ready(s->across, by, 3);
	found = across_find(s->across, s->attempt, f);
	across_free(s->across);
	return found;
}

static void check_queue(struct scene *s, const char *words)
{
	struct across_finding f;

	assert_true(find(s, hosts, &f));
	assert_string_equal(f.code, "accept_queue_full");
	assert_false(f.proven); /* it rests on a clock */
	assert_non_null(strstr(f.detail, words));
	assert_int_equal(f.host, 1);
	assert_int_equal(f.netns, 7);
	assert_string_equal(f.addr, "0.0.0.0");
	assert_int_equal(f.port, 443);
}

static void test_full_queue(void **state)
{
	struct scene s = failed_with("timeout", 3);

	(void)state;
	refused(&s, 1, AHEAD_MS + 150, "");
	check_queue(&s, "0.0.0.0:443 of host-b refused 2 SYNs when this one came, accept queue at 3/2");
	s = failed_with("timeout", 3);
	owns(&s, 1, 5);
	refused(&s, 1, AHEAD_MS + 150, "");
	refused(&s, 1, AHEAD_MS + 1150, ",\"remote\":{\"addr\":\"10.0.0.1\",\"port\":5000}");
	check_queue(&s, "refused a SYN of this client");
}

/* The queue was full, and nobody counted what it refused. */
static void test_full_state(void **state)
{
	struct scene s = failed_with("cancelled", 3);

	(void)state;
	add(&s, 1, "{\"v\":1,\"type\":\"listener\",\"ts\":\"2026-11-20T10:00:10.500000000Z\",\"event\":\"sample\",\"socket\":\"0\","
		   "\"netns\":7,\"local\":{\"addr\":\"0.0.0.0\",\"port\":443},\"backlog\":2,\"accept_queue\":{\"len\":3,\"max\":2}}");
	check_queue(&s, "had a full accept queue (3/2)");
}

static void check_nothing(struct scene *s, const struct host_report *by)
{
	struct across_finding f;

	assert_true(!find(s, by, &f) || !*f.code);
}

static void test_not_that_queue(void **state)
{
	static const struct host_report wrong[] = { { .name = "host-a", .clock = { .known = true } },
						    { .name = "host-b", .clock = { .known = true, .bound_ns = 400000 } },
						    { .name = "host-c", .clock = { .known = true } } };
	struct scene s = failed_with("timeout", 3);

	(void)state;
	refused(&s, 1, AHEAD_MS + 900, ""); /* too late: the first SYN had been taken */
	check_nothing(&s, hosts);
	s = failed_with("timeout", 3);
	refused(&s, 1, AHEAD_MS - 100, ""); /* before it came */
	check_nothing(&s, hosts);
	s = failed_with("timeout", 3);
	refused(&s, 1, AHEAD_MS + 600, ""); /* by clocks that nobody corrects it would be another moment */
	check_nothing(&s, wrong);
	s = failed_with("timeout", 3);
	refused(&s, 0, 150, ""); /* the client's own host: its daemon knows */
	check_nothing(&s, hosts);
	s = failed_with("timeout", 3);
	refused(&s, 1, AHEAD_MS + 150, "");
	refused(&s, 2, 150, ""); /* two hosts, and nobody knows whose the address is */
	check_nothing(&s, hosts);
	s = failed_with("timeout", 3);
	owns(&s, 2, 5);
	refused(&s, 1, AHEAD_MS + 150, ""); /* the address is another host's */
	check_nothing(&s, hosts);
	s = failed_with("timeout", 3);
	owns(&s, 1, 5);
	owns(&s, 2, 5);
	refused(&s, 1, AHEAD_MS + 150, ""); /* both have it */
	check_nothing(&s, hosts);
	s = failed_with("refused", 3); /* a RST came: no queue's doing */
	refused(&s, 1, AHEAD_MS + 150, "");
	check_nothing(&s, hosts);
	s = failed_with("timeout", 3);
	refused(&s, 1, AHEAD_MS + 150, ",\"remote\":{\"addr\":\"10.0.0.1\",\"port\":5001}"); /* another client's */
	check_nothing(&s, hosts);
}

/* Found by `conn`, it needs no clock. */
static void test_by_conn(void **state)
{
	static const struct host_report unknown[3] = { { .name = "host-a", .clock = { .known = true } },
						       { .name = "host-b" }, { .name = "host-c" } };
	static const char reset[] =
		"{\"v\":1,\"type\":\"reset\",\"ts\":\"2026-11-21T00:00:00.000000000Z\",\"direction\":\"sent\",\"phase\":\"none\","
		"\"cause\":\"port_closed\",\"conn\":\"%s\",\"netns\":7,\"local\":{\"addr\":\"10.0.0.2\",\"port\":443},"
		"\"remote\":{\"addr\":\"10.0.0.1\",\"port\":5000}}";
	static const char drop[] =
		"{\"v\":1,\"type\":\"drop\",\"ts\":\"2026-11-21T00:00:00.000000000Z\",\"segment\":\"%s\",\"direction\":\"in\","
		"\"reason\":\"netfilter_drop\",\"conn\":\"" CONN "\",\"netns\":7,\"local\":{\"addr\":\"10.0.0.2\",\"port\":443},"
		"\"remote\":{\"addr\":\"10.0.0.1\",\"port\":5000}}";
	struct across_finding f;
	struct scene s = failed_with("refused", 1);
	char line[500];

	(void)state;
	snprintf(line, sizeof(line), reset, CONN);
	add(&s, 1, line);
	assert_true(find(&s, unknown, &f));
	assert_string_equal(f.code, "port_closed");
	assert_true(f.proven);
	s = failed_with("refused", 1);
	snprintf(line, sizeof(line), reset, "0123456789abcdee");
	add(&s, 1, line);
	check_nothing(&s, unknown);
	s = failed_with("timeout", 3);
	snprintf(line, sizeof(line), drop, "syn");
	add(&s, 1, line);
	add(&s, 1, line);
	assert_true(find(&s, unknown, &f));
	assert_string_equal(f.code, "local_drop");
	assert_true(f.proven);
	assert_string_equal(f.detail, "host-b dropped 2 of 2 SYNs of it: netfilter_drop");
	s = failed_with("timeout", 3);
	add(&s, 1, line); /* where the other SYN went is not known */
	assert_true(find(&s, unknown, &f));
	assert_false(f.proven);
	s = failed_with("timeout", 3);
	snprintf(line, sizeof(line), drop, "synack");
	add(&s, 1, line);
	check_nothing(&s, unknown);
}

/* A host that was watched all the time and has no record of it: that is said, and is no cause. */
static void test_no_record(void **state)
{
	struct scene s = failed_with("timeout", 3);
	struct across_finding f;

	(void)state;
	owns(&s, 1, 5);
	owns(&s, 1, 20);
	assert_true(find(&s, hosts, &f));
	assert_string_equal(f.code, "");
	assert_string_equal(f.detail, "host-b, which has that address, has no record of it");
	s = failed_with("timeout", 3);
	owns(&s, 1, 5);
	owns(&s, 1, 12); /* it was not watched to the end */
	assert_false(find(&s, hosts, &f));
	s = failed_with("timeout", 3);
	owns(&s, 1, 5);
	owns(&s, 1, 20);
	across_joined(s.across, s.attempt); /* but there is one */
	assert_false(find(&s, hosts, &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_queue), cmocka_unit_test(test_full_state), cmocka_unit_test(test_not_that_queue),
		cmocka_unit_test(test_by_conn),	   cmocka_unit_test(test_no_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
