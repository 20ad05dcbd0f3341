// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What this host threw away itself: which handshakes it explains, and how surely. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/drop_reason.h"
#include "daemon/cause/diagnose.h"
#include "daemon/cause/local_drops.h"

#define MS 1000000ULL
#define SECOND (1000 * MS)
#define END (100 * SECOND)

static struct event_handshake handshake;
static struct evidence evidence;
static struct cause cause;

static void begin(enum role role, enum outcome outcome, uint64_t latency_ns, uint16_t retransmits)
{
	handshake = (struct event_handshake){ .role = role, .outcome = outcome, .end_ns = END, .latency_ns = latency_ns,
					      .rtt_ns = NS_UNKNOWN, .retransmits = retransmits };
	evidence = (struct evidence){ .handshake = &handshake, .server_began_ns = NS_UNKNOWN,
				      .client_done_ns = NS_UNKNOWN, .trip_ns = NS_UNKNOWN, .reach_ns = NS_UNKNOWN,
				      .complete = true };
}

static void dropped(enum drop_segment segment, enum drop_direction direction, unsigned int count, uint64_t after_ns)
{
	evidence.dropped[segment] = (struct drop_evidence){
		.count = count, .direction = (uint8_t)direction, .first_ns = handshake_start_ns(&handshake) + after_ns,
		.reason = (uint8_t)drop_reason_of("netfilter_drop"),
	};
}

static void is_dropped(bool proven)
{
	diagnose(&evidence, &cause);
	assert_string_equal(cause_names[cause.code], "local_drop");
	assert_int_equal(cause.proven, proven);
}

static void is_another(void)
{
	diagnose(&evidence, &cause);
	assert_int_not_equal(cause.code, CAUSE_LOCAL_DROP);
}

static void all_or_some_syns(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_TIMEOUT, 3 * SECOND, 1);
	dropped(DROP_SYN, DROP_OUT, 2, 0);
	is_dropped(true);
	assert_string_equal(cause.detail, "SYN dropped twice by this host itself, on its way out: netfilter_drop");
	dropped(DROP_SYN, DROP_OUT, 1, 0); /* the other one was lost elsewhere */
	is_dropped(false);
	evidence.syn = (struct refusal_evidence){ .count = 1, .proven = true };
	is_another(); /* the other one was refused by a queue, which is why it failed */
	begin(ROLE_ACTIVE, OUTCOME_ESTABLISHED, 1001 * MS, 1);
	dropped(DROP_SYN, DROP_IN, 1, 0);
	is_dropped(true);
	handshake.retransmits = 2;
	is_dropped(false);
}

static void synacks_that_came(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_TIMEOUT, 3 * SECOND, 1);
	dropped(DROP_SYN_ACK, DROP_IN, 1, 2 * SECOND);
	is_dropped(true); /* with it the handshake would have been complete */
	dropped(DROP_SYN_ACK, DROP_OUT, 1, 2 * SECOND);
	is_dropped(false); /* others may have been sent, and lost */
	begin(ROLE_ACTIVE, OUTCOME_ESTABLISHED, 1001 * MS, 1);
	dropped(DROP_SYN_ACK, DROP_IN, 1, MS);
	is_dropped(true);
	dropped(DROP_SYN_ACK, DROP_IN, 1, 1000 * MS); /* the first SYN was sent in vain for another reason */
	is_dropped(false);
}

static void at_the_server(void **state)
{
	(void)state;
	begin(ROLE_PASSIVE, OUTCOME_ESTABLISHED, 1001 * MS, 1);
	dropped(DROP_ACK, DROP_IN, 1, MS);
	is_dropped(true);
	dropped(DROP_ACK, DROP_IN, 1, SECOND);
	is_dropped(false);
	begin(ROLE_PASSIVE, OUTCOME_TIMEOUT, 3 * SECOND, 1);
	dropped(DROP_SYN_ACK, DROP_IN, 1, MS);
	is_dropped(false);
	dropped(DROP_SYN_ACK, DROP_IN, 2, MS);
	is_dropped(true);
	handshake.outcome = OUTCOME_RESET; /* the client's own doing */
	is_another();
}

static void given_up(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_CANCELLED, 300 * MS, 0);
	dropped(DROP_SYN, DROP_OUT, 1, 0);
	is_another(); /* no SYN was due to go out again: nobody knows what would have come */
	begin(ROLE_ACTIVE, OUTCOME_CANCELLED, 2500 * MS, 1);
	dropped(DROP_SYN, DROP_OUT, 2, 0);
	is_dropped(true);
	assert_non_null(strstr(cause.detail, "netfilter_drop; the application gave up after 2.50 s"));
}

static void without_reasons(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_TIMEOUT, 3 * SECOND, 1);
	evidence.unreported = UNREPORTED_DROP;
	is_dropped(false); /* counted as sent again, and not seen to leave */
	evidence.syns.count = 2;
	is_another();
	evidence.syns.count = 0;
	evidence.unreported |= UNREPORTED_SYN_RETRANSMIT;
	is_another();
	evidence.unreported = UNREPORTED_DROP;
	evidence.complete = false;
	is_another();
}

static void kept_by_connection(void **state)
{
	static struct local_drops drops;
	struct drop_evidence found[DROP_SEGMENTS];
	struct event_drop e = { .mono_ns = SECOND, .client_isn = 7, .segment = DROP_SYN, .direction = DROP_OUT, .reason = 1 };

	(void)state;
	local_drops_add(&drops, 42, &e);
	e.mono_ns += SECOND;
	local_drops_add(&drops, 42, &e);
	assert_true(local_drops_find(&drops, 42, 7, SECOND, found));
	assert_int_equal(found[DROP_SYN].count, 2);
	assert_int_equal(found[DROP_SYN].first_ns, SECOND);
	assert_false(found[DROP_SYN].mixed);
	assert_int_equal(found[DROP_SYN_ACK].count, 0);
	assert_true(local_drops_find(&drops, 42, 8, SECOND, found)); /* another connection between the same ends */
	assert_int_equal(found[DROP_SYN].count, 0);
	e.direction = DROP_IN;
	local_drops_add(&drops, 42, &e);
	assert_true(local_drops_find(&drops, 42, 7, SECOND, found));
	assert_int_equal(found[DROP_SYN].count, 3);
	assert_true(found[DROP_SYN].mixed);
}

/* What another connection takes the place of may be what is asked for: then nothing is said to be all. */
static void overwritten(void **state)
{
	static struct local_drops drops;
	struct drop_evidence found[DROP_SEGMENTS];
	struct event_drop e = { .mono_ns = SECOND, .client_isn = 7, .segment = DROP_SYN, .direction = DROP_OUT, .reason = 1 };

	(void)state;
	local_drops_add(&drops, 42, &e);
	e.mono_ns += SECOND;
	local_drops_add(&drops, 42 + LOCAL_DROPS, &e); /* in the same place, for LOCAL_DROPS is a multiple of their number */
	assert_false(local_drops_find(&drops, 42, 7, SECOND, found));
	assert_int_equal(found[DROP_SYN].count, 0);
	assert_false(local_drops_find(&drops, 42 + LOCAL_DROPS, 7, SECOND, found));
	assert_true(local_drops_find(&drops, 42, 7, SECOND + 1, found)); /* it began later than that */
}

static void reasons_have_groups(void **state)
{
	unsigned int count = 0;

	(void)state;
	while (drop_reason_name(count + 1)) {
		const char *name = drop_reason_name(++count);

		assert_int_equal(drop_reason_of(name), count);
		assert_int_not_equal(drop_group_of(name), DROP_BY_OTHERS);
	}
	assert_true(count > 20 && count < DROP_REASONS_MAX);
	assert_null(drop_reason_name(0));
	assert_int_equal(drop_reason_of("no_socket"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_or_some_syns),   cmocka_unit_test(synacks_that_came), cmocka_unit_test(at_the_server),
		cmocka_unit_test(given_up),	      cmocka_unit_test(without_reasons),   cmocka_unit_test(kept_by_connection), cmocka_unit_test(overwritten),
		cmocka_unit_test(reasons_have_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
