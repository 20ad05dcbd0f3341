// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* audit: each rule explains what it may, and not one more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/event.h"
#include "daemon/kernel/unreported.h"
#include "daemon/queues/audit.h"

/* One counter that differs, what the rules know, and which of them explains it. */
struct one {
	enum netstat_counter counter;
	uint64_t kernel, observed;
	struct audit_books books;
	const char *rule; /* NULL: none */
};

static bool balance(const struct one *o, const char **rule)
{
	struct audit_books last = {}, now = o->books;
	struct audit_row rows[AUDIT_COUNTERS];
	bool balanced;

	now.kernel[o->counter] = o->kernel;
	now.observed[o->counter] = o->observed;
	balanced = audit_compare(&last, &now, rows);
	*rule = rows[o->counter].rule;
	assert_int_equal(rows[o->counter].difference, (int64_t)(o->kernel - o->observed));
	return balanced;
}

static void check(const struct one *ones, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *rule;
		bool balanced = balance(&ones[i], &rule);

		if (ones[i].rule)
			assert_non_null(rule);
		if (ones[i].rule)
			assert_string_equal(rule, ones[i].rule);
		else
			assert_null(rule);
		assert_int_equal(balanced, ones[i].rule || ones[i].kernel == ones[i].observed);
	}
}

#define CHECK(...)                                                    \
	do {                                                          \
		const struct one ones[] = { __VA_ARGS__ };            \
		check(ones, sizeof(ones) / sizeof(*ones));            \
	} while (0)

static void test_equal(void **state)
{
	(void)state;
	for (enum netstat_counter c = 0; c < AUDIT_COUNTERS; c++)
		CHECK({ c, 5, 5, {}, NULL }, { c, 0, 0, {}, NULL });
}

/* Nothing is explained where nothing may be: of the queues not even one, of the others on no CPU. */
static void test_no_excuse(void **state)
{
	(void)state;
	for (enum netstat_counter c = 0; c < AUDIT_COUNTERS; c++)
		CHECK({ c, 6, 5, {}, NULL }, { c, 5, 6, {}, NULL });
}

static void test_boundary(void **state)
{
	static const enum netstat_counter counters[] = {
		NETSTAT_ACTIVE_OPENS,	NETSTAT_PASSIVE_OPENS,	NETSTAT_ATTEMPT_FAILS,
		NETSTAT_OUT_RSTS,	NETSTAT_EMBRYONIC_RSTS, NETSTAT_SYNCOOKIES_SENT,
		NETSTAT_SYNCOOKIES_RECV, NETSTAT_SYN_RETRANS,	NETSTAT_TIMEOUTS,
	};
	static const enum netstat_counter queues[] = {
		NETSTAT_LISTEN_OVERFLOWS, NETSTAT_LISTEN_DROPS, NETSTAT_REQQ_FULL_DROP,
		NETSTAT_REQQ_FULL_COOKIES,
	};
	const struct audit_books books = { .cpus = 2, .window = 3 };

	(void)state;
	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		CHECK({ counters[i], 15, 10, books, "boundary" }, { counters[i], 10, 15, books, "boundary" },
		      { counters[i], 16, 10, books, NULL }, { counters[i], 10, 16, books, NULL });
	for (size_t i = 0; i < sizeof(queues) / sizeof(*queues); i++)
		CHECK({ queues[i], 11, 10, books, NULL }, { queues[i], 10, 11, books, NULL });
}

static void test_syn_waits(void **state)
{
	const struct audit_books books = { .waiting = 3, .first_waiting = 2, .unbegun = 1, .cpus = 1 };

	(void)state;
	CHECK({ NETSTAT_ACTIVE_OPENS, 10, 9, books, "boundary" },
	      { NETSTAT_ACTIVE_OPENS, 10, 13, books, "syn_waits" },
	      { NETSTAT_ACTIVE_OPENS, 10, 14, books, NULL },
	      { NETSTAT_ACTIVE_OPENS, 15, 10, books, "syn_waits" },
	      { NETSTAT_ACTIVE_OPENS, 16, 10, books, NULL },
	      { NETSTAT_PASSIVE_OPENS, 10, 14, books, NULL });
}

static void test_under_way(void **state)
{
	const struct audit_books books = { .under_way = 3, .first_under_way = 2, .cpus = 1, .window = 1 };
	const struct audit_books waits = { .under_way = 3, .first_waiting = 2, .waiting = 1, .unbegun = 1, .cpus = 1 };

	(void)state;
	CHECK({ NETSTAT_ACTIVE_OPENS, 10, 12, books, "boundary" },
	      { NETSTAT_ACTIVE_OPENS, 10, 15, books, "under_way" },
	      { NETSTAT_ACTIVE_OPENS, 10, 16, books, NULL },
	      { NETSTAT_ACTIVE_OPENS, 14, 10, books, "under_way" },
	      { NETSTAT_ACTIVE_OPENS, 15, 10, books, NULL },
	      { NETSTAT_ACTIVE_OPENS, 10, 13, waits, "syn_waits" },
	      { NETSTAT_ACTIVE_OPENS, 10, 16, waits, "under_way" },
	      { NETSTAT_ACTIVE_OPENS, 10, 17, waits, NULL },
	      { NETSTAT_PASSIVE_OPENS, 10, 15, books, NULL });
}

static void test_nested(void **state)
{
	static const struct {
		enum netstat_counter counter;
		uint64_t most;
	} counters[] = {
		{ NETSTAT_ACTIVE_OPENS, 1 },	{ NETSTAT_PASSIVE_OPENS, 1 },	   { NETSTAT_ATTEMPT_FAILS, 1 + 2 + 4 },
		{ NETSTAT_OUT_RSTS, 2 },	{ NETSTAT_EMBRYONIC_RSTS, 2 + 4 }, { NETSTAT_SYNCOOKIES_RECV, 1 },
		{ NETSTAT_SYN_RETRANS, 1 + 8 }, { NETSTAT_TIMEOUTS, 1 + 8 },	   { NETSTAT_LISTEN_OVERFLOWS, 0 },
		{ NETSTAT_LISTEN_DROPS, 0 },	{ NETSTAT_SYNCOOKIES_SENT, 0 },
	};
	const struct audit_books beside = { .missed = { [MISSED_RESET] = 2 }, .cpus = 2, .window = 3 };
	const struct audit_books books = {
		.missed = { [MISSED_TRANSITION] = 1, [MISSED_RESET] = 2, [MISSED_EVIDENCE] = 4, [MISSED_RETRANSMIT] = 8 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++) {
		uint64_t most = counters[i].most;

		CHECK({ counters[i].counter, 10 + most, 10, books, most ? "nested" : NULL },
		      { counters[i].counter, 11 + most, 10, books, NULL },
		      { counters[i].counter, 10, 11, books, NULL });
	}
	CHECK({ NETSTAT_OUT_RSTS, 17, 10, beside, "nested" }, { NETSTAT_OUT_RSTS, 18, 10, beside, NULL });
}

static void test_request_reset(void **state)
{
	const struct audit_books unreported = { .kernel[NETSTAT_EMBRYONIC_RSTS] = 4,
					    .observed[NETSTAT_EMBRYONIC_RSTS] = 4,
					    .unreported = UNREPORTED_REQUEST_RESET };
	struct audit_books reported = unreported;

	(void)state;
	reported.unreported = UNREPORTED_NO_SOCKET | UNREPORTED_SEND_FAILED;
	CHECK({ NETSTAT_ATTEMPT_FAILS, 4, 0, unreported, "request_reset" },
	      { NETSTAT_ATTEMPT_FAILS, 5, 0, unreported, NULL },
	      { NETSTAT_ATTEMPT_FAILS, 0, 1, unreported, NULL },
	      { NETSTAT_ATTEMPT_FAILS, 1, 0, reported, NULL },
	      { NETSTAT_EMBRYONIC_RSTS, 4, 0, unreported, "request_reset" },
	      { NETSTAT_EMBRYONIC_RSTS, 4, 5, unreported, NULL },
	      { NETSTAT_EMBRYONIC_RSTS, 4, 3, reported, NULL });
}

static void test_cookie_refused(void **state)
{
	const struct audit_books unreported = { .kernel[NETSTAT_LISTEN_OVERFLOWS] = 3,
					    .observed[NETSTAT_LISTEN_OVERFLOWS] = 3,
					    .unreported = UNREPORTED_REFUSED_COOKIE };
	struct audit_books reported = unreported;

	(void)state;
	reported.unreported = UNREPORTED_REFUSED_ACK | UNREPORTED_REQUEST_RESET;
	CHECK({ NETSTAT_SYNCOOKIES_RECV, 5, 2, unreported, "cookie_refused" },
	      { NETSTAT_SYNCOOKIES_RECV, 6, 2, unreported, NULL },
	      { NETSTAT_SYNCOOKIES_RECV, 2, 3, unreported, NULL },
	      { NETSTAT_SYNCOOKIES_RECV, 3, 2, reported, NULL });
}

static void test_no_socket(void **state)
{
	const struct audit_books unreported = { .unreported = UNREPORTED_NO_SOCKET },
				 reported = { .unreported = UNREPORTED_REQUEST_RESET | UNREPORTED_SEND_FAILED };

	(void)state;
	CHECK({ NETSTAT_OUT_RSTS, 1000, 1, unreported, "no_socket" },
	      { NETSTAT_OUT_RSTS, 1, 2, unreported, NULL }, /* seen, but not sent */
	      { NETSTAT_OUT_RSTS, 2, 1, reported, NULL },
	      { NETSTAT_EMBRYONIC_RSTS, 2, 1, unreported, NULL });
}

/* What the kernel does not grant explains more than was observed, and never less. */
static void test_not_granted(void **state)
{
	const struct audit_books queues = { .unreported = UNREPORTED_QUEUES }, resets = { .unreported = UNREPORTED_RESET_SENT },
				 syns = { .unreported = UNREPORTED_SYN_RETRANSMIT };

	(void)state;
	CHECK({ NETSTAT_LISTEN_OVERFLOWS, 90, 0, queues, "not_granted" },
	      { NETSTAT_LISTEN_OVERFLOWS, 0, 1, queues, NULL },
	      { NETSTAT_LISTEN_OVERFLOWS, 90, 0, resets, NULL },
	      { NETSTAT_REQQ_FULL_DROP, 2, 0, queues, "not_granted" },
	      { NETSTAT_OUT_RSTS, 90, 0, resets, "not_granted" },
	      { NETSTAT_OUT_RSTS, 90, 0, queues, NULL },
	      { NETSTAT_SYN_RETRANS, 90, 0, syns, "not_granted" },
	      { NETSTAT_SYN_RETRANS, 90, 0, resets, NULL },
	      { NETSTAT_ACTIVE_OPENS, 90, 0, queues, NULL });
}

static void test_send_failed(void **state)
{
	const struct audit_books unreported = { .kernel[NETSTAT_RETRANS_FAIL] = 3,
					    .unreported = UNREPORTED_SEND_FAILED },
				 reported = { .kernel[NETSTAT_RETRANS_FAIL] = 3,
					  .unreported = UNREPORTED_NO_SOCKET };

	(void)state;
	CHECK({ NETSTAT_SYN_RETRANS, 3, 0, unreported, "send_failed" },
	      { NETSTAT_SYN_RETRANS, 4, 0, unreported, NULL },
	      { NETSTAT_SYN_RETRANS, 0, 1, unreported, NULL },
	      { NETSTAT_SYN_RETRANS, 1, 0, reported, NULL });
}

static void test_other_timers(void **state)
{
	/* Seven segments sent again, two of them SYNs; so five of data. */
	const struct audit_books data = { .kernel[NETSTAT_RETRANS_SEGS] = 7,
					  .kernel[NETSTAT_SYN_RETRANS] = 2,
					  .observed[NETSTAT_SYN_RETRANS] = 2 },
				 given_up = { .kernel[NETSTAT_ABORT_ON_TIMEOUT] = 2 },
				 failed = { .kernel[NETSTAT_RETRANS_FAIL] = 2 },
				 queued = { .kernel[NETSTAT_STILL_QUEUED] = 2 },
				 deferred = { .kernel[NETSTAT_DEFER_ACCEPT_DROP] = 1 },
				 synacks = { .synacks = 3 };

	(void)state;
	CHECK({ NETSTAT_TIMEOUTS, 5, 0, data, "other_timers" }, { NETSTAT_TIMEOUTS, 6, 0, data, NULL },
	      { NETSTAT_TIMEOUTS, 2, 0, given_up, "other_timers" },
	      { NETSTAT_TIMEOUTS, 3, 0, given_up, NULL },
	      { NETSTAT_TIMEOUTS, 2, 0, failed, "other_timers" },
	      { NETSTAT_TIMEOUTS, 3, 0, failed, NULL },
	      { NETSTAT_TIMEOUTS, 2, 0, queued, "other_timers" },
	      { NETSTAT_TIMEOUTS, 3, 0, queued, NULL },
	      { NETSTAT_TIMEOUTS, 8, 0, deferred, "other_timers" },
	      { NETSTAT_TIMEOUTS, 9, 0, deferred, NULL },
	      { NETSTAT_TIMEOUTS, 6, 3, synacks, "other_timers" }, /* each expired */
	      { NETSTAT_TIMEOUTS, 7, 3, synacks, NULL },
	      { NETSTAT_TIMEOUTS, 0, 3, synacks, "other_timers" }, /* each answered a SYN */
	      { NETSTAT_TIMEOUTS, 0, 4, synacks, NULL });
}

static void test_cookies(void **state)
{
	const struct audit_books dropped = { .kernel[NETSTAT_LISTEN_DROPS] = 2,
					     .observed[NETSTAT_LISTEN_DROPS] = 2 },
				 childless = { .unexplained_drops = 2 }, pending = { .pending = 2 };

	(void)state;
	CHECK({ NETSTAT_SYNCOOKIES_SENT, 0, 2, dropped, "cookie_unsent" },
	      { NETSTAT_SYNCOOKIES_SENT, 0, 3, dropped, NULL },
	      { NETSTAT_SYNCOOKIES_SENT, 1, 0, dropped, NULL },
	      { NETSTAT_SYNCOOKIES_SENT, 2, 0, pending, "next_look" },
	      { NETSTAT_SYNCOOKIES_SENT, 3, 0, pending, NULL },
	      { NETSTAT_SYNCOOKIES_RECV, 2, 0, pending, "next_look" },
	      { NETSTAT_SYNCOOKIES_RECV, 2, 0, childless, "no_child" },
	      { NETSTAT_SYNCOOKIES_RECV, 3, 0, childless, NULL },
	      { NETSTAT_SYNCOOKIES_RECV, 0, 1, childless, NULL });
}

static void test_queues(void **state)
{
	const struct audit_books pending = { .pending = 2, .pending_drops = 3 }, unexplained = { .unexplained_drops = 2 };

	(void)state;
	CHECK({ NETSTAT_LISTEN_OVERFLOWS, 2, 0, pending, "next_look" },
	      { NETSTAT_LISTEN_OVERFLOWS, 3, 0, pending, NULL },
	      { NETSTAT_LISTEN_OVERFLOWS, 2, 0, unexplained, NULL },
	      { NETSTAT_LISTEN_DROPS, 2, 0, unexplained, "no_full_queue" },
	      { NETSTAT_LISTEN_DROPS, 3, 0, unexplained, NULL },
	      { NETSTAT_LISTEN_DROPS, 3, 0, pending, "next_look" },
	      { NETSTAT_LISTEN_DROPS, 4, 0, pending, NULL },
	      { NETSTAT_REQQ_FULL_DROP, 2, 0, pending, "next_look" },
	      { NETSTAT_REQQ_FULL_DROP, 0, 1, pending, NULL },
	      { NETSTAT_REQQ_FULL_COOKIES, 1, 0, pending, NULL });
}

/* The rules are held against the sum since the beginning: what an interval makes up for is settled. */
static void test_settled(void **state)
{
	struct audit_books last = {}, now = { .cpus = 1 };
	struct audit_row rows[AUDIT_COUNTERS];

	(void)state;
	now.kernel[NETSTAT_OUT_RSTS] = 10;
	now.observed[NETSTAT_OUT_RSTS] = 9;
	assert_true(audit_compare(&last, &now, rows));
	assert_string_equal(rows[NETSTAT_OUT_RSTS].rule, "boundary");
	now.observed[NETSTAT_OUT_RSTS] = 10;
	assert_true(audit_compare(&last, &now, rows));
	assert_int_equal(rows[NETSTAT_OUT_RSTS].difference, -1);
	assert_string_equal(rows[NETSTAT_OUT_RSTS].rule, "settled");
	for (int i = 0; i < 2; i++) { /* one more each time: the second is too much */
		now.kernel[NETSTAT_OUT_RSTS]++;
		assert_int_equal(audit_compare(&last, &now, rows), i == 0);
	}
	assert_true(!audit_compare(&last, &now, rows)); /* nor is it forgotten */
	assert_int_equal(rows[NETSTAT_OUT_RSTS].difference, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_no_excuse),
		cmocka_unit_test(test_boundary),
		cmocka_unit_test(test_syn_waits),
		cmocka_unit_test(test_under_way),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_request_reset),
		cmocka_unit_test(test_no_socket),
		cmocka_unit_test(test_cookie_refused),
		cmocka_unit_test(test_not_granted),
		cmocka_unit_test(test_send_failed),
		cmocka_unit_test(test_other_timers),
		cmocka_unit_test(test_cookies),
		cmocka_unit_test(test_queues),
		cmocka_unit_test(test_settled),
	};

	return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
