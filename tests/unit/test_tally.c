// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tally: events that become one record, several or none, and records of no event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/counters.h"
#include "daemon/records/tally.h"

static struct fate fate_of(const struct tallies *t, const struct counters *c, enum record_type type)
{
	struct fate f;

	assert_true(tally_fate(t, c, type, &f));
	assert_int_equal(f.seen, f.delivered + f.filtered + f.limited + f.lost);
	return f;
}

static void test_kernel_side_alone(void **state)
{
	struct tallies t = { .event = RECORD_TYPES };
	struct counters c = { .handshakes[ROLE_ACTIVE][OUTCOME_REFUSED] = 3,
			      .handshakes[ROLE_PASSIVE][OUTCOME_ESTABLISHED] = 7,
			      .filtered[EVENT_HANDSHAKE] = 3,
			      .limited[EVENT_HANDSHAKE] = 2,
			      .ring_full[EVENT_HANDSHAKE] = 1 };
	struct fate f = fate_of(&t, &c, RECORD_HANDSHAKE);

	(void)state;
	assert_int_equal(f.seen, 10);
	assert_int_equal(f.delivered, 4);
	c.filtered[EVENT_HANDSHAKE] = 8; /* read before what is seen was */
	f = fate_of(&t, &c, RECORD_HANDSHAKE);
	assert_int_equal(f.seen, 11);
	assert_int_equal(f.delivered, 0);
	assert_false(tally_fate(&t, &c, RECORD_BYE, &f));
}

static void test_over_the_daemons_limit(void **state)
{
	struct tallies t = { .event = RECORD_TYPES };
	struct counters c = { .handshakes[ROLE_PASSIVE][OUTCOME_RESET] = 5, .limited[EVENT_HANDSHAKE] = 1 };
	struct fate f;

	(void)state;
	tally_record(&t, RECORD_HANDSHAKE, true); /* of an event, which the kernel side has counted */
	tally_limited(&t, RECORD_HANDSHAKE);
	tally_record(&t, RECORD_HANDSHAKE, false); /* inferred */
	tally_limited(&t, RECORD_HANDSHAKE);
	f = fate_of(&t, &c, RECORD_HANDSHAKE);
	assert_int_equal(f.seen, 6);
	assert_int_equal(f.limited, 3);
	assert_int_equal(f.delivered, 3);
}

static void test_events_and_records(void **state)
{
	struct tallies t = { .event = RECORD_TYPES };
	struct counters c = { .events[EVENT_OVERFLOW] = 3 };
	struct fate f;

	(void)state;
	tally_event(&t, RECORD_OVERFLOW); /* one record, and one of another type on the way */
	tally_record(&t, RECORD_LISTENER, false);
	tally_record(&t, RECORD_OVERFLOW, false);
	tally_event_done(&t);
	tally_event(&t, RECORD_OVERFLOW); /* none */
	tally_event_done(&t);
	tally_event(&t, RECORD_OVERFLOW); /* two, of which one is filtered */
	tally_record(&t, RECORD_OVERFLOW, false);
	tally_record(&t, RECORD_OVERFLOW, false);
	tally_left(&t, RECORD_OVERFLOW);
	tally_event_done(&t);
	tally_record(&t, RECORD_OVERFLOW, false); /* of a look */
	f = fate_of(&t, &c, RECORD_OVERFLOW);
	assert_int_equal(f.seen, 5);
	assert_int_equal(f.delivered, 3); /* records that got to the feeds */
	assert_int_equal(f.filtered, 2);
	f = fate_of(&t, &c, RECORD_LISTENER);
	assert_int_equal(f.seen, 1);
	assert_int_equal(f.delivered, 1);
}

static void test_handshakes_that_wait(void **state)
{
	struct tallies t = { .event = RECORD_TYPES };
	struct counters c = { .handshakes[ROLE_ACTIVE][OUTCOME_TIMEOUT] = 2 };
	struct fate f;

	(void)state;
	tally_record(&t, RECORD_HANDSHAKE, true); /* the other one is held back */
	tally_record(&t, RECORD_HANDSHAKE, false); /* inferred */
	tally_record(&t, RECORD_HANDSHAKE, false);
	tally_failed(&t, RECORD_HANDSHAKE);
	f = fate_of(&t, &c, RECORD_HANDSHAKE);
	assert_int_equal(f.seen, 4);
	assert_int_equal(f.delivered, 3);
	assert_int_equal(f.lost, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel_side_alone),
		cmocka_unit_test(test_over_the_daemons_limit),
		cmocka_unit_test(test_events_and_records),
		cmocka_unit_test(test_handshakes_that_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
