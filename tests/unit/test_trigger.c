// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* trigger: what is asked for, and when it strikes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

#include "cli/record/trigger.h"

#include "common/clock.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MS NSEC_PER_MSEC
#define S NSEC_PER_SEC

static struct record handshake(uint64_t at_ns, int outcome, const char *cause)
{
	return (struct record){
		.type = RECORD_HANDSHAKE,
		.mono_ns = 100 * S + at_ns,
		.handshake = { .role = ROLE_PASSIVE, .outcome = outcome, .outcome_name = outcome_names[outcome],
			       .local = { .addr = "10.0.0.1", .port = 443 }, .remote = { .addr = "10.0.0.2", .port = 5000 },
			       .latency_ns = NS_UNKNOWN, .cause = { .code = cause } },
	};
}

static struct record established(uint64_t at_ns, uint64_t latency_ns)
{
	struct record r = handshake(at_ns, OUTCOME_ESTABLISHED, NULL);

	r.handshake.latency_ns = latency_ns;
	return r;
}

static struct record overflow(uint64_t at_ns, uint64_t count)
{
	return (struct record){
		.type = RECORD_OVERFLOW,
		.mono_ns = 100 * S + at_ns,
		.overflow = { .count = count, .has_listener = true, .listener = { .addr = "0.0.0.0", .port = 8080 },
			      .cause = { .code = "accept_queue_full" } },
	};
}

static struct trigger *make(const char *text)
{
	char error[320] = "";
	struct trigger *t = trigger_new(text, error, sizeof(error));

	if (!t)
		print_error("%s\n", error);
	assert_non_null(t);
	return t;
}

static bool takes(struct trigger *t, struct record r)
{
	return trigger_take(t, &r);
}

static void test_one_record(void **state)
{
	static const struct {
		const char *text;
		bool overflow, refused, port_80;
	} cases[] = {
		{ "overflow", true, false, false },
		{ "overflow port=8080", true, false, false },
		{ "overflow port=80", false, false, false },
		{ "outcome=failed", false, true, false },
		{ "handshake", false, true, true },
		{ "port=443", false, true, true },
		{ "outcome=refused role=passive", false, true, false },
		{ "role=active", false, false, false },
		{ "cause=port_closed", false, true, false },
		{ "cause=ports_exhausted,accept_queue_full", true, false, false },
		{ "cause=ports_exhausted", false, false, false },
		{ " outcome=failed   cause=port_closed ", false, true, false },
		{ "overflow cause=port_closed", false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct trigger *t = make(cases[i].text);

		assert_int_equal(takes(t, overflow(0, 1)), cases[i].overflow);
		assert_int_equal(takes(t, handshake(1, OUTCOME_REFUSED, "port_closed")), cases[i].refused);
		assert_int_equal(takes(t, established(2, 5 * MS)), cases[i].port_80);
		trigger_free(t);
	}
}

/* More than ten in a whole second; what is left over of the one before does not count. */
static void test_rate(void **state)
{
	struct trigger *t = make("outcome=failed rate>10/s");

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_false(takes(t, handshake(500 * MS + (uint64_t)i, OUTCOME_TIMEOUT, NULL)));
	for (int i = 0; i < 10; i++)
		assert_false(takes(t, handshake(1000 * MS + (uint64_t)i, OUTCOME_TIMEOUT, NULL)));
	assert_false(takes(t, established(1001 * MS, MS)));
	assert_true(takes(t, handshake(1002 * MS, OUTCOME_TIMEOUT, NULL)));
	trigger_free(t);
}

static void test_refusals_count_as_many_as_they_were(void **state)
{
	struct trigger *t = make("overflow rate>100/s");

	(void)state;
	assert_false(takes(t, overflow(0, 100)));
	assert_true(takes(t, overflow(1, 1)));
	trigger_free(t);
}

static void test_minute(void **state)
{
	struct trigger *t = make("overflow rate>5/m");

	(void)state;
	for (uint64_t i = 0; i < 5; i++)
		assert_false(takes(t, overflow(i * 10 * S, 1)));
	/* 0, 10, … 40 and 59: six within 60 s; at 61 s the first is too old. */
	assert_true(takes(t, overflow(59 * S, 1)));
	assert_false(takes(t, overflow(61 * S, 0)));
	assert_true(takes(t, overflow(62 * S, 1)));
	trigger_free(t);
}

/* The clock of the records begins with the boot: there is no minute before. */
static void test_minute_of_a_boot(void **state)
{
	struct trigger *t = make("overflow rate>5/m");

	(void)state;
	for (uint64_t second = 1; second <= 5; second++) {
		struct record r = overflow(0, 1);

		r.mono_ns = second * S;
		assert_false(takes(t, r));
	}
	trigger_free(t);
}

static void test_rate_for(void **state)
{
	struct trigger *t = make("overflow rate>1/s for 3s");

	(void)state;
	for (uint64_t second = 0; second < 3; second++) {
		assert_false(takes(t, overflow(second * S, 2)));
		assert_false(takes(t, established(second * S + 1, MS)));
	}
	/* The third second is over. Any record says so. */
	assert_true(takes(t, established(3 * S, MS)));
	trigger_free(t);
	/* A second without breaks the row. */
	t = make("overflow rate>1/s for 3s");
	for (uint64_t second = 0; second < 6; second++)
		assert_false(takes(t, overflow(second * S, second == 2 ? 1 : 2)));
	assert_true(takes(t, overflow(6 * S, 1)));
	trigger_free(t);
	t = make("overflow rate>1/s for 3s");
	for (uint64_t second = 0; second < 6; second += 2)
		assert_false(takes(t, overflow(second * S, 2)));
	assert_false(takes(t, overflow(7 * S, 2)));
	trigger_free(t);
}

static void test_percentile(void **state)
{
	struct trigger *t = make("p99>100ms for 2s");

	(void)state;
	for (uint64_t i = 0; i < 200; i++)
		assert_false(takes(t, established(i * MS, i < 190 ? MS : 150 * MS)));
	for (uint64_t i = 0; i < 10; i++)
		assert_false(takes(t, established(S + i * MS, 150 * MS)));
	assert_true(takes(t, established(2 * S, MS)));
	/* One in a hundred is not more than that. */
	for (uint64_t i = 0; i < 200; i++)
		assert_false(takes(t, established(2 * S + i * MS, i < 198 ? MS : 150 * MS)));
	for (uint64_t second = 3; second < 9; second++)
		assert_false(takes(t, established(second * S, MS)));
	trigger_free(t);
}

/* Another boot's clock, and a feed of another daemon. */
static void test_begins_anew(void **state)
{
	struct trigger *t = make("overflow rate>3/s");
	struct record hello = { .type = RECORD_HELLO, .mono_ns = 100 * S + 2 };

	(void)state;
	assert_false(takes(t, overflow(0, 2)));
	assert_false(takes(t, hello));
	assert_false(takes(t, overflow(3, 2)));
	hello.mono_ns = 5 * S;
	assert_false(takes(t, hello));
	assert_true(takes(t, (struct record){ .type = RECORD_OVERFLOW, .mono_ns = 5 * S, .overflow = { .count = 4 } }));
	trigger_free(t);
}

static void test_causes_of_resets(void **state)
{
	struct record reset = { .type = RECORD_RESET, .mono_ns = S, .reset = { .cause = "abort" } };
	struct trigger *t = make("reset cause=port_closed,abort");

	(void)state;
	assert_true(takes(t, reset));
	reset.reset.cause = "late";
	assert_false(takes(t, reset));
	trigger_free(t);
}

static void test_word(void **state)
{
	char word[TRIGGER_WORD_SIZE];
	struct record refused = handshake(0, OUTCOME_REFUSED, "port_closed"), full = overflow(0, 1);
	struct trigger *t = make("overflow");

	(void)state;
	assert_string_equal(trigger_word(t, &full, word), "accept_queue_full");
	full.overflow.cause.code = NULL;
	assert_string_equal(trigger_word(t, &full, word), "overflow");
	full.overflow.cause.code = "../../etc/NEWER and-longer-than-any-name-that-is-known";
	assert_string_equal(trigger_word(t, &full, word), "______etc_______and_longer_than_any_nam");
	trigger_free(t);
	t = make("outcome=failed");
	assert_string_equal(trigger_word(t, &refused, word), "port_closed");
	refused.handshake.cause.code = NULL;
	assert_string_equal(trigger_word(t, &refused, word), "refused");
	trigger_free(t);
	t = make("p99>1ms");
	assert_string_equal(trigger_word(t, &refused, word), "latency");
	trigger_free(t);
}

/* Of listeners the port and the namespace count, of audits the namespace. */
static void test_listeners_and_audits(void **state)
{
	struct trigger *port = make("listener port=443"), *netns = make("audit netns=4026531840");
	struct record listener = { .type = RECORD_LISTENER, .mono_ns = 100 * S, .listener = { .netns = 1, .local = { .port = 80 } } };
	struct record audit = { .type = RECORD_AUDIT, .mono_ns = 100 * S, .netns = 4026531841, .audit = { .netns = 4026531841 } };

	(void)state;
	assert_false(takes(port, listener));
	listener.listener.local.port = 443;
	assert_true(takes(port, listener));
	assert_false(takes(netns, audit));
	audit.netns = 4026531840;
	assert_true(takes(netns, audit));
	trigger_free(port);
	trigger_free(netns);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "", "is empty" },
		{ "   ", "is empty" },
		{ "overflows", "'overflows' is no type of record" },
		{ "hello", "'hello' is no type of record" },
		{ "port=0", "is no port" },
		{ "colour=red", "unknown filter 'colour'" },
		{ "cause=rain", "'rain' is no cause" },
		{ "cause=", "names no cause" },
		{ "rate>x/s", "'x/s' is no rate" },
		{ "rate>10", "'10' is no rate" },
		{ "rate>10/h", "is no rate" },
		{ "rate>99999999999999999999/s", "is no rate" },
		{ "p0>1ms", "is no percentile" },
		{ "p101>1ms", "is no percentile" },
		{ "p99>slow", "is no percentile" },
		{ "p99=1ms", "unknown filter 'p99'" },
		{ "overflow for 10s", "belongs to a rate or a percentile" },
		{ "overflow rate>1/s for", "is no duration" },
		{ "overflow rate>1/s for 0", "is no duration" },
		{ "overflow outcome=failed", "these are of handshakes" },
		{ "overflow p99>1ms", "these are of handshakes" },
		{ "cause=abort", "'abort' is a cause of resets; write reset cause=" },
		{ "handshake cause=no_answer,peer", "'peer' is a cause of resets" },
		{ "overflow cause=late", "'late' is a cause of resets" },
		{ "reset cause=no_answer", "'no_answer' is no cause of a reset" },
		{ "drop cause=port_closed", "'drop' has no cause" },
		{ "listener cause=port_closed", "'listener' has no cause" },
		{ "loss port=443", "'loss' has nothing that port= compares" },
		{ "loss netns=4026531840", "'loss' has nothing that netns= compares" },
		{ "audit port=443", "'audit' has nothing that port= compares" },
		{ "audit remote=10.0.0.0/8", "'audit' has nothing that remote= compares" },
		{ "listener remote=10.0.0.0/8", "'listener' has nothing that remote= compares" },
		{ "overflow cgroup=/", "'overflow' has nothing that cgroup= compares" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char error[320] = "";

		assert_null(trigger_new(cases[i].text, error, sizeof(error)));
		if (!strstr(error, cases[i].why))
			fail_msg("%s: %s", cases[i].text, error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_record),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_refusals_count_as_many_as_they_were),
		cmocka_unit_test(test_minute),
		cmocka_unit_test(test_minute_of_a_boot),
		cmocka_unit_test(test_rate_for),
		cmocka_unit_test(test_percentile),
		cmocka_unit_test(test_begins_anew),
		cmocka_unit_test(test_causes_of_resets),
		cmocka_unit_test(test_word),
		cmocka_unit_test(test_listeners_and_audits),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
