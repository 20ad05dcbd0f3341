// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* diagnose: from evidence to a cause, and how sure it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/outcome.h"
#include "daemon/cause/diagnose.h"
#include "daemon/kernel/unreported.h"

#define MS 1000000ULL
#define SECOND (1000 * MS)
#define END (100 * SECOND)

static struct event_handshake handshake;
static struct evidence evidence;
static struct cause cause;

/* A handshake of which everything was seen, and nothing else is known. */
static void begin(enum role role, enum outcome outcome, uint64_t latency_ns, uint16_t retransmits)
{
	handshake = (struct event_handshake){ .role = role,
					      .outcome = outcome,
					      .end_ns = END,
					      .latency_ns = latency_ns,
					      .rtt_ns = NS_UNKNOWN,
					      .retransmits = retransmits,
					      .local_port = 40000,
					      .remote_port = 80 };
	evidence = (struct evidence){ .handshake = &handshake,
				      .server_began_ns = NS_UNKNOWN,
				      .client_done_ns = NS_UNKNOWN,
				      .trip_ns = NS_UNKNOWN,
				      .reach_ns = NS_UNKNOWN,
				      .complete = true };
}

static void sent(struct transmissions *t, unsigned int count, const uint64_t *ms)
{
	t->count = count;
	for (unsigned int i = 0; i < count && i < EVIDENCE_TIMES; i++)
		t->after_ns[i] = ms[i] * MS;
}
#define SENT(member, ...)                                                                          \
	sent(&evidence.member, sizeof((uint64_t[]){ __VA_ARGS__ }) / 8, (uint64_t[]){ __VA_ARGS__ })

#define is_cause(want, sure) check(want, sure, __LINE__)

static void check(enum cause_code want, bool proven, int line)
{
	diagnose(&evidence, &cause);
	if (cause.code != want || cause.proven != proven)
		fail_msg("line %d: %s %s (%s)", line, cause_names[cause.code],
			 cause.proven ? "proven" : "probable", cause.detail);
	if (want)
		assert_true(strlen(cause.detail) > 10 && strlen(cause.detail) < sizeof(cause.detail) - 1);
}

/* What takes the proof away from a cause, without changing it. */
static void needs_whole(enum cause_code want)
{
	is_cause(want, true);
	evidence.complete = false;
	is_cause(want, false);
	evidence.complete = true;
	handshake.flags |= HANDSHAKE_PARTIAL;
	is_cause(want, false);
	handshake.flags &= ~HANDSHAKE_PARTIAL;
	is_cause(want, true);
}

static void nothing_to_explain(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_ESTABLISHED, 5 * SECOND, 0);
	is_cause(CAUSE_NONE, false);
	evidence.slow_ns = 6 * SECOND;
	is_cause(CAUSE_NONE, false);
	evidence.slow_ns = 5 * SECOND;
	assert_true(diagnose_wanted(&handshake, 5 * SECOND));
	handshake.latency_ns = NS_UNKNOWN;
	is_cause(CAUSE_NONE, false);
	handshake.retransmits = 1;
	assert_true(diagnose_wanted(&handshake, 0));
}

static void every_code_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i < CAUSE_CODES; i++) {
		assert_non_null(cause_names[i]);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(cause_names[i], cause_names[j]);
	}
}

static void refused_by_a_rst(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_REFUSED, MS, 0);
	handshake.error = ERR_ECONNREFUSED;
	handshake.flags = HANDSHAKE_RESET;
	is_cause(CAUSE_PORT_CLOSED, false); /* or a far firewall */
	evidence.remote_is_here = true;
	is_cause(CAUSE_FILTERED, false);
	evidence.unreported = UNREPORTED_CLOSED_PORT; /* the server's kernel may have sent it */
	is_cause(CAUSE_PORT_CLOSED, false);
	evidence.unreported = 0;
	evidence.complete = false; /* few of those that went on meanwhile were missed */
	is_cause(CAUSE_FILTERED, false);
	assert_non_null(strstr(cause.detail, "was not seen to send a RST"));
	handshake.flags |= HANDSHAKE_PARTIAL; /* the RST may have come before anything looked */
	is_cause(CAUSE_PORT_CLOSED, false);
	handshake.flags = HANDSHAKE_RESET | HANDSHAKE_RESET_HERE;
	is_cause(CAUSE_PORT_CLOSED, true);
	assert_string_equal(cause.detail, "RST in answer to the SYN: nobody listens on port 80 there");
}

static void refused_without_a_rst(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_REFUSED, MS, 0);
	is_cause(CAUSE_ICMP_UNREACHABLE, true);
	evidence.complete = false;
	is_cause(CAUSE_ICMP_UNREACHABLE, false);
	evidence.complete = true;
	handshake.flags = HANDSHAKE_PARTIAL; /* then nobody noted the RST */
	is_cause(CAUSE_PORT_CLOSED, false);
	handshake.flags = 0;
	evidence.unreported = UNREPORTED_RESET_RECEIVED;
	is_cause(CAUSE_PORT_CLOSED, false);
	assert_non_null(strstr(cause.detail, "by a RST or an ICMP message"));
	evidence.remote_is_here = true;
	is_cause(CAUSE_FILTERED, false);
	assert_null(strstr(cause.detail, "RST in answer"));
}

static void icmp(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_UNREACHABLE, MS, 0);
	handshake.error = ERR_EHOSTUNREACH;
	is_cause(CAUSE_ICMP_UNREACHABLE, false); /* the same error comes of a next hop */
	assert_non_null(strstr(cause.detail, "EHOSTUNREACH"));
	handshake.error = 101;
	is_cause(CAUSE_ICMP_UNREACHABLE, true);
	begin(ROLE_ACTIVE, OUTCOME_UNREACHABLE, 1001 * MS, 1);
	SENT(syns, 0, 1000);
	is_cause(CAUSE_ICMP_UNREACHABLE, true);
	handshake.latency_ns = 3 * SECOND; /* with the timer: a route that went away? */
	is_cause(CAUSE_ICMP_UNREACHABLE, false);
	evidence.syns.count = 0; /* not seen */
	is_cause(CAUSE_ICMP_UNREACHABLE, false);
}

static void neighbour(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_UNREACHABLE, 3 * SECOND, 0);
	handshake.error = ERR_EHOSTUNREACH;
	handshake.flags = HANDSHAKE_NO_NEIGHBOUR;
	is_cause(CAUSE_NEIGHBOUR_FAILED, true);
}

static void unanswered_syns(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_TIMEOUT, 7 * SECOND, 2);
	SENT(syns, 0, 1020, 3050);
	is_cause(CAUSE_NO_ANSWER, true);
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
	is_cause(CAUSE_NO_ANSWER, true);
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

static void refused_syn(void **state)
{
	(void)state;
	for (int outcome = OUTCOME_ESTABLISHED; outcome <= OUTCOME_TIMEOUT; outcome += OUTCOME_TIMEOUT) {
		begin(ROLE_ACTIVE, (enum outcome)outcome, 3 * SECOND, 2);
		evidence.syn = (struct refusal_evidence){ .count = 2, .proven = true,
							  .code = CODE_ACCEPT_QUEUE_FULL,
							  .queue_known = true, .len = 5, .max = 4 };
		needs_whole(CAUSE_ACCEPT_QUEUE_FULL);
		assert_string_equal(cause.detail,
				    "SYN dropped twice: the server's accept queue was full at 5/4");
		evidence.syn.proven = false;
		is_cause(CAUSE_ACCEPT_QUEUE_FULL, false);
		evidence.syn.code = CODE_SYN_QUEUE_FULL;
		is_cause(CAUSE_SYN_QUEUE_FULL, false);
		evidence.syn.code = CODE_SYN_QUEUE_THREE_QUARTERS;
		is_cause(CAUSE_SYN_QUEUE_THREE_QUARTERS, false);
		evidence.server_began_ns = END - 2950 * MS; /* it did answer, so they were others' */
		SENT(syns, 0, 1000, 2900);
		is_cause(CAUSE_SYNACK_LOST, false);
		evidence.syn.proven = true;
		is_cause(CAUSE_SYN_QUEUE_THREE_QUARTERS, true);
	}
}

static void given_up(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_CANCELLED, 300 * MS, 0);
	is_cause(CAUSE_APPLICATION_CANCELLED, false); /* an error that was read may have ended it */
	handshake.flags = HANDSHAKE_BY_CALL;
	is_cause(CAUSE_APPLICATION_CANCELLED, true);
	handshake.flags |= HANDSHAKE_ICMP;
	is_cause(CAUSE_ICMP_UNREACHABLE, false);
	handshake.flags = 0;
	handshake.error = ERR_ECONNABORTED;
	is_cause(CAUSE_APPLICATION_CANCELLED, true);
	handshake.retransmits = 1;
	SENT(syns, 0, 1000);
	is_cause(CAUSE_APPLICATION_CANCELLED, true);
	assert_non_null(strstr(cause.detail, "at 0 and 1 s"));
	evidence.syn = (struct refusal_evidence){ .count = 2, .code = CODE_ACCEPT_QUEUE_FULL };
	is_cause(CAUSE_ACCEPT_QUEUE_FULL, false); /* others' may have been refused */
	assert_non_null(strstr(cause.detail, "SYN dropped twice"));
	evidence.syn.proven = true;
	is_cause(CAUSE_ACCEPT_QUEUE_FULL, true);
	assert_non_null(strstr(cause.detail, "gave up after 300 ms"));
	evidence.complete = false;
	is_cause(CAUSE_ACCEPT_QUEUE_FULL, false);
	handshake.latency_ns = NS_UNKNOWN;
	is_cause(CAUSE_APPLICATION_CANCELLED, true);
}

static void no_port(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_NO_PORT, 1, 0);
	memset(handshake.remote_addr + 10, 0xff, 2); /* IPv4 */
	is_cause(CAUSE_PORTS_EXHAUSTED, true);
	assert_non_null(strstr(cause.detail, "bound to"));
	handshake.remote_addr[0] = 0xfd;
	is_cause(CAUSE_PORTS_EXHAUSTED, false);
	handshake.local_port = 0;
	is_cause(CAUSE_PORTS_EXHAUSTED, true);
	handshake.flags = HANDSHAKE_PARTIAL; /* what the socket held before is not known */
	is_cause(CAUSE_PORTS_EXHAUSTED, false);
}

/* connect() failed before a SYN left. */
static void send_failed(void **state)
{
	static const struct {
		enum outcome outcome;
		uint8_t error;
		const char *words;
	} cases[] = {
		{ OUTCOME_UNREACHABLE, ERR_EHOSTUNREACH, "no route any more" },
		{ OUTCOME_CANCELLED, 0, "no route from the local port" },
		{ OUTCOME_CANCELLED, ERR_ENOBUFS, "no memory" },
		{ OUTCOME_CANCELLED, ERR_EKEYREJECTED, "keys" },
		{ OUTCOME_REFUSED, ERR_ECONNREFUSED, "does not let it out" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		begin(ROLE_ACTIVE, cases[i].outcome, 1, 0);
		handshake.error = cases[i].error;
		handshake.latency_ns = NS_UNKNOWN;
		handshake.flags = HANDSHAKE_UNSENT;
		is_cause(CAUSE_SEND_FAILED, true);
		assert_non_null(strstr(cause.detail, cases[i].words));
		handshake.flags |= HANDSHAKE_PARTIAL;
		is_cause(CAUSE_SEND_FAILED, false);
	}
}

static void peer_reset(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_RESET, MS, 0);
	handshake.flags = HANDSHAKE_RESET | HANDSHAKE_SIMULTANEOUS;
	is_cause(CAUSE_PEER_RESET, true);
	handshake.flags = 0;
	is_cause(CAUSE_UNKNOWN, false);
}

/* The server answered 1 ms after the last of two SYNs. */
static void begin_syn_lost(void)
{
	begin(ROLE_ACTIVE, OUTCOME_ESTABLISHED, 1002 * MS, 1);
	SENT(syns, 0, 1000);
	evidence.server_began_ns = END - MS;
	evidence.reach_ns = MS;
	evidence.server_done = evidence.none_refused = true;
}

static void syn_lost(void **state)
{
	(void)state;
	begin_syn_lost();
	needs_whole(CAUSE_SYN_LOST);
	evidence.none_refused = false; /* a queue may have refused it */
	is_cause(CAUSE_SYN_LOST, false);
	begin_syn_lost();
	evidence.server_done = false;
	is_cause(CAUSE_SYN_LOST, false);
	begin_syn_lost();
	evidence.reach_ns = 400 * MS; /* may be the first one, late */
	is_cause(CAUSE_SYN_LOST, false);
	begin_syn_lost();
	handshake.flags = HANDSHAKE_STRAY; /* an old connection took the first one */
	is_cause(CAUSE_UNKNOWN, false);
	begin_syn_lost();
	evidence.unreported = UNREPORTED_RESET_SENT; /* or an old connection did, of which only a RST would show */
	is_cause(CAUSE_SEGMENT_LOST, false);
	assert_non_null(strstr(cause.detail, "older connection"));
	begin_syn_lost();
	evidence.gap = true;
	is_cause(CAUSE_SEGMENT_LOST, false);
	begin_syn_lost();
	evidence.server_began_ns = NS_UNKNOWN; /* it is elsewhere */
	is_cause(CAUSE_SEGMENT_LOST, false);
	handshake.latency_ns = NS_UNKNOWN;
	is_cause(CAUSE_SEGMENT_LOST, false);
}

/* Nobody can look at the queues: they may be why the first SYN was not answered. */
static void syn_lost_or_refused(void **state)
{
	(void)state;
	begin_syn_lost();
	evidence.none_refused = false;
	evidence.unreported = UNREPORTED_QUEUES;
	is_cause(CAUSE_NO_ANSWER, false);
	assert_non_null(strstr(cause.detail, "a queue of the server"));
	evidence.unreported = UNREPORTED_QUEUES | UNREPORTED_SYN_RETRANSMIT;
	evidence.syns.count = 0;
	is_cause(CAUSE_NO_ANSWER, false);
	evidence.server_began_ns = NS_UNKNOWN; /* the server is elsewhere: no look here would show it */
	is_cause(CAUSE_SEGMENT_LOST, false);
	assert_non_null(strstr(cause.detail, "or the server dropped it"));
}

static void synack_lost_at_the_client(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_ESTABLISHED, 1002 * MS, 1);
	SENT(syns, 0, 1000);
	SENT(synacks, 0, 1000);
	evidence.server_began_ns = END - 1001 * MS;
	evidence.reach_ns = MS;
	needs_whole(CAUSE_SYNACK_LOST);
	evidence.synacks.count = 0; /* then the first one may be late */
	is_cause(CAUSE_SYNACK_LOST, false);
	evidence.trip_ns = 2 * MS; /* … but a round trip takes 2 ms */
	is_cause(CAUSE_SYNACK_LOST, true);
	evidence.trip_ns = 800 * MS;
	is_cause(CAUSE_SYNACK_LOST, false);
	handshake.rtt_ns = 2 * MS;
	is_cause(CAUSE_SYNACK_LOST, true);
}

static void slow_round_trip(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_ESTABLISHED, 1200 * MS, 1);
	SENT(syns, 0, 1000);
	evidence.server_began_ns = END - 600 * MS;
	evidence.reach_ns = 600 * MS;
	is_cause(CAUSE_SLOW_PATH, false);
	handshake.rtt_ns = 200 * MS; /* proven: it answers the last one */
	is_cause(CAUSE_SYNACK_LOST, false);
}

static void slow_answer(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_ESTABLISHED, 400 * MS, 0);
	evidence.slow_ns = 100 * MS;
	is_cause(CAUSE_SLOW_PATH, false); /* a far server may have sent its SYN-ACK twice */
	evidence.server_done = true;
	evidence.server_began_ns = END - 200 * MS;
	needs_whole(CAUSE_SLOW_PATH);
	handshake.latency_ns = 1003 * MS; /* the server's timer was faster than the client's */
	evidence.server_began_ns = END - 1002 * MS;
	SENT(synacks, 0, 1001);
	needs_whole(CAUSE_SYNACK_LOST);
	SENT(synacks, 0, 400);
	is_cause(CAUSE_SYNACK_LOST, false);
}

static void refused_ack(void **state)
{
	(void)state;
	begin(ROLE_PASSIVE, OUTCOME_TIMEOUT, 3 * SECOND, 1);
	evidence.ack = (struct refusal_evidence){ .count = 3, .proven = true, .queue_known = true,
						  .code = CODE_ACCEPT_QUEUE_FULL, .len = 5, .max = 4 };
	is_cause(CAUSE_ACCEPT_QUEUE_FULL, true);
	assert_string_equal(cause.detail,
			    "final ACK dropped 3 times: the server's accept queue was full at 5/4");
	evidence.ack.proven = false;
	is_cause(CAUSE_ACCEPT_QUEUE_FULL, false);
}

static void deferred(void **state)
{
	(void)state;
	begin(ROLE_PASSIVE, OUTCOME_ESTABLISHED, 3 * SECOND, 1);
	evidence.deferred = true;
	is_cause(CAUSE_SEGMENT_LOST, false);
	evidence.acked = true;
	needs_whole(CAUSE_DEFERRED_ACCEPT);
	evidence.unreported = UNREPORTED_REFUSED_ACK; /* or a full queue did not take it */
	is_cause(CAUSE_DEFERRED_ACCEPT, false);
	begin(ROLE_PASSIVE, OUTCOME_ESTABLISHED, 400 * MS, 0);
	evidence.slow_ns = 100 * MS;
	evidence.deferred = true;
	evidence.client_done_ns = END - 399 * MS;
	is_cause(CAUSE_DEFERRED_ACCEPT, false);
}

static void client_gave_up(void **state)
{
	(void)state;
	begin(ROLE_PASSIVE, OUTCOME_RESET, MS, 0);
	is_cause(CAUSE_CLIENT_RESET, true);
	evidence.inferred = true;
	is_cause(CAUSE_CLIENT_RESET, false);
}

/* The client was done 1 ms after the first SYN-ACK, the server a second later. */
static void ack_lost(void **state)
{
	(void)state;
	begin(ROLE_PASSIVE, OUTCOME_ESTABLISHED, 1001 * MS, 1);
	SENT(synacks, 0, 1000);
	evidence.client_done_ns = END - 1000 * MS;
	is_cause(CAUSE_ACK_LOST, false); /* it may be late */
	evidence.trip_ns = 2 * MS; /* … but SYN and SYN-ACK took 2 ms */
	needs_whole(CAUSE_ACK_LOST);
	evidence.acked = true; /* it came, and was not taken: for no full queue, since no refusal was seen */
	is_cause(CAUSE_UNKNOWN, false);
	evidence.unreported = UNREPORTED_REFUSED_ACK; /* … where one would be */
	is_cause(CAUSE_ACCEPT_QUEUE_FULL, false);
	evidence.unreported = 0;
	evidence.acked = false;
	handshake.outcome = OUTCOME_TIMEOUT;
	needs_whole(CAUSE_ACK_LOST);
	evidence.gap = true; /* before any timer can have run out, all the same */
	is_cause(CAUSE_ACK_LOST, false);
	begin(ROLE_PASSIVE, OUTCOME_ESTABLISHED, 300 * MS, 0);
	evidence.slow_ns = 100 * MS;
	evidence.client_done_ns = END - 299 * MS; /* data made up for it */
	is_cause(CAUSE_ACK_LOST, false);
	evidence.unreported = UNREPORTED_REFUSED_ACK; /* or for one that a full queue dropped */
	is_cause(CAUSE_UNKNOWN, false);
}

static void synack_lost_at_the_server(void **state)
{
	(void)state;
	begin(ROLE_PASSIVE, OUTCOME_ESTABLISHED, 1002 * MS, 1);
	SENT(synacks, 0, 1000);
	evidence.client_done_ns = END - MS;
	needs_whole(CAUSE_SYNACK_LOST);
	SENT(synacks, 0, 700); /* the client was done long after both */
	is_cause(CAUSE_SYNACK_LOST, false);
	begin(ROLE_PASSIVE, OUTCOME_TIMEOUT, 3 * SECOND, 1);
	evidence.client_waited = true;
	is_cause(CAUSE_SYNACK_LOST, false);
	evidence.reach_ns = MS;
	needs_whole(CAUSE_SYNACK_LOST);
}

static void slow_at_the_server(void **state)
{
	(void)state;
	begin(ROLE_PASSIVE, OUTCOME_ESTABLISHED, 1200 * MS, 1);
	SENT(synacks, 0, 1000);
	evidence.client_done_ns = END - 600 * MS;
	is_cause(CAUSE_SLOW_PATH, false);
	begin(ROLE_PASSIVE, OUTCOME_ESTABLISHED, 400 * MS, 0);
	evidence.slow_ns = 100 * MS;
	is_cause(CAUSE_SLOW_PATH, false); /* the first ACK may have been lost */
	evidence.client_done_ns = END - 200 * MS;
	needs_whole(CAUSE_SLOW_PATH);
}

static void unanswered_synacks(void **state)
{
	(void)state;
	begin(ROLE_PASSIVE, OUTCOME_TIMEOUT, 3 * SECOND, 1);
	evidence.inferred = true;
	is_cause(CAUSE_NO_ANSWER, false); /* dropped before its time */
	evidence.exhausted = true;
	is_cause(CAUSE_NO_ANSWER, true);
	evidence.unreported = UNREPORTED_REQUEST_RESET; /* or reset at the last moment */
	is_cause(CAUSE_NO_ANSWER, false);
	evidence.unreported = 0;
	evidence.remote_is_here = true;
	is_cause(CAUSE_NO_ANSWER, false);
	begin(ROLE_PASSIVE, OUTCOME_ESTABLISHED, 1001 * MS, 1);
	is_cause(CAUSE_SEGMENT_LOST, false);
	handshake.latency_ns = NS_UNKNOWN;
	is_cause(CAUSE_SEGMENT_LOST, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_to_explain),
		cmocka_unit_test(every_code_has_a_name),
		cmocka_unit_test(refused_by_a_rst),
		cmocka_unit_test(refused_without_a_rst),
		cmocka_unit_test(icmp),
		cmocka_unit_test(neighbour),
		cmocka_unit_test(unanswered_syns),
		cmocka_unit_test(more_syns_than_there_is_room_for),
		cmocka_unit_test(unanswered_though_the_server_answered),
		cmocka_unit_test(refused_syn),
		cmocka_unit_test(given_up),
		cmocka_unit_test(no_port),
		cmocka_unit_test(send_failed),
		cmocka_unit_test(peer_reset),
		cmocka_unit_test(syn_lost),
		cmocka_unit_test(syn_lost_or_refused),
		cmocka_unit_test(synack_lost_at_the_client),
		cmocka_unit_test(slow_round_trip),
		cmocka_unit_test(slow_answer),
		cmocka_unit_test(refused_ack),
		cmocka_unit_test(deferred),
		cmocka_unit_test(client_gave_up),
		cmocka_unit_test(ack_lost),
		cmocka_unit_test(synack_lost_at_the_server),
		cmocka_unit_test(slow_at_the_server),
		cmocka_unit_test(unanswered_synacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
