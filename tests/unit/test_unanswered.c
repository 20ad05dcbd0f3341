// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a client waited for in vain, no matter who gave up. */
#include "tests/unit/diagnosing.h"

static void unanswered_syns(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_TIMEOUT, 7 * SECOND, 2);
	SENT(syns, 0, 1020, 3050);
	is_cause(CAUSE_NO_ANSWER, false); /* its answer may have been dropped here */
	assert_non_null(strstr(cause.detail, "at 0, 1.02 and 3.05 s"));
	evidence.remote_is_here = true; /* then it may have been refused, or lost */
	is_cause(CAUSE_NO_ANSWER, false);
	evidence.gap = true;
	is_cause(CAUSE_NO_ANSWER, false);
	assert_non_null(strstr(cause.detail, "3 times"));
}

static void more_syns_than_there_is_room_for(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_TIMEOUT, 127 * SECOND, 9);
	SENT(syns, 0, 1000, 2000, 3000, 4000, 6000, 10000, 18000);
	evidence.syns.count = 10;
	is_cause(CAUSE_NO_ANSWER, false);
	assert_non_null(strstr(cause.detail, "and 18 s and later"));
}

static void unanswered_though_the_server_answered(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_TIMEOUT, 7 * SECOND, 2);
	SENT(syns, 0, 1000, 3000);
	evidence.server_began_ns = END - 7 * SECOND + MS;
	evidence.reach_ns = MS;
	needs_whole(CAUSE_SYNACK_LOST);
	evidence.reach_ns = 2 * SECOND; /* its SYN-ACK may still be on its way */
	is_cause(CAUSE_SYNACK_LOST, false);
	evidence.reach_ns = NS_UNKNOWN;
	is_cause(CAUSE_SYNACK_LOST, false);
}

static void given_up_early(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_CANCELLED, 300 * MS, 0);
	is_cause(CAUSE_APPLICATION_CANCELLED, false); /* an error that was read may have ended it */
	handshake.flags = HANDSHAKE_BY_CALL;
	is_cause(CAUSE_APPLICATION_CANCELLED, true);
	assert_non_null(strstr(cause.detail, "gave up after 300 ms, before it was due"));
	handshake.flags |= HANDSHAKE_ICMP;
	is_cause(CAUSE_ICMP_UNREACHABLE, false);
	handshake.flags = 0;
	handshake.error = ERR_ECONNABORTED;
	is_cause(CAUSE_APPLICATION_CANCELLED, true);
	assert_non_null(strstr(cause.detail, "aborted (ss -K) after 300 ms"));
	evidence.server_began_ns = END - 299 * MS; /* its SYN-ACK may be under way */
	is_cause(CAUSE_APPLICATION_CANCELLED, true);
	evidence.server_began_ns = NS_UNKNOWN;
	evidence.syn = (struct refusal_evidence){ .count = 1, .proven = true, .code = CODE_ACCEPT_QUEUE_FULL };
	is_cause(CAUSE_ACCEPT_QUEUE_FULL, true);
	evidence.syn.count = 0;
	handshake.latency_ns = NS_UNKNOWN;
	is_cause(CAUSE_APPLICATION_CANCELLED, true);
}

/* The cause is why nothing came: the same as if the kernel had given up. */
static void given_up(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_CANCELLED, 5 * SECOND, 2);
	handshake.flags = HANDSHAKE_BY_CALL | HANDSHAKE_OVERDUE;
	SENT(syns, 0, 1000, 3050);
	is_cause(CAUSE_NO_ANSWER, false);
	assert_non_null(strstr(cause.detail, "SYN unanswered at 0, 1 and 3.05 s; the application gave up after 5.00 s"));
	assert_non_null(strstr(cause.detail, "the server is down"));
	evidence.remote_is_here = true;
	is_cause(CAUSE_NO_ANSWER, false);
	assert_null(strstr(cause.detail, "down"));
	handshake.flags |= HANDSHAKE_ICMP;
	is_cause(CAUSE_ICMP_UNREACHABLE, false);
	handshake.flags = HANDSHAKE_OVERDUE; /* not within a call */
	is_cause(CAUSE_NO_ANSWER, false);
	assert_null(strstr(cause.detail, "application"));
	evidence.syn = (struct refusal_evidence){ .count = 2, .code = CODE_ACCEPT_QUEUE_FULL };
	is_cause(CAUSE_ACCEPT_QUEUE_FULL, false); /* others' may have been refused */
	assert_non_null(strstr(cause.detail, "SYN dropped twice"));
	evidence.syn.proven = true;
	needs_whole(CAUSE_ACCEPT_QUEUE_FULL);
	assert_non_null(strstr(cause.detail, "given up after 5.00 s"));
	evidence.syn.count = 0;
	handshake.latency_ns = NS_UNKNOWN;
	is_cause(CAUSE_NO_ANSWER, false);
	evidence.server_began_ns = END - 4900 * MS;
	is_cause(CAUSE_SYNACK_LOST, false);
	evidence.reach_ns = MS;
	needs_whole(CAUSE_SYNACK_LOST);
}

static void race_lost(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_CANCELLED, 300 * MS, 0);
	handshake.flags = HANDSHAKE_BY_CALL;
	evidence.race_lost = true;
	is_cause(CAUSE_APPLICATION_CANCELLED, true);
	begin(ROLE_ACTIVE, OUTCOME_CANCELLED, 1500 * MS, 1);
	handshake.flags = HANDSHAKE_BY_CALL | HANDSHAKE_OVERDUE;
	SENT(syns, 0, 1000);
	is_cause(CAUSE_NO_ANSWER, false);
	evidence.race_lost = true;
	is_cause(CAUSE_APPLICATION_CANCELLED, false);
	assert_non_null(strstr(cause.detail, "another address"));
	evidence.server_began_ns = END - 1499 * MS; /* why it lost */
	is_cause(CAUSE_SYNACK_LOST, false);
}

/* The SYN never left: it waited for the next hop's address. */
static void silent_next_hop(void **state)
{
	static const enum outcome outcomes[] = { OUTCOME_TIMEOUT, OUTCOME_CANCELLED };

	(void)state;
	for (int i = 0; i < 2; i++) {
		begin(ROLE_ACTIVE, outcomes[i], 3040 * MS, 0);
		handshake.flags = HANDSHAKE_OVERDUE | HANDSHAKE_BY_CALL;
		is_cause(CAUSE_NEIGHBOUR_FAILED, false); /* or an interface holds it back */
		handshake.flags |= HANDSHAKE_NO_NEIGHBOUR;
		is_cause(CAUSE_NEIGHBOUR_FAILED, true);
		assert_non_null(strstr(cause.detail, "no SYN left"));
		handshake.retransmits = 1; /* it may have answered before */
		SENT(syns, 0, 1000);
		is_cause(CAUSE_NEIGHBOUR_FAILED, false);
		handshake.flags &= (uint16_t)~HANDSHAKE_NO_NEIGHBOUR;
		is_cause(CAUSE_NO_ANSWER, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unanswered_syns),
		cmocka_unit_test(more_syns_than_there_is_room_for),
		cmocka_unit_test(unanswered_though_the_server_answered),
		cmocka_unit_test(given_up_early),
		cmocka_unit_test(given_up),
		cmocka_unit_test(race_lost),
		cmocka_unit_test(silent_next_hop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
