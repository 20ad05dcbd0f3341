// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* diagnose: from evidence to a cause, and how sure it is. */
#include "tests/unit/diagnosing.h"

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

/* connect() failed before there was an attempt: who refused it decides what is said, and how surely. */
static void failed_at_once(void **state)
{
	static const struct {
		uint8_t error, refused_by;
		enum cause_code code;
		bool proven;
		const char *words;
	} cases[] = {
		{ ERR_ENETUNREACH, REFUSED_SOMEWHERE, CAUSE_NO_ROUTE, false, "no route" },
		{ ERR_ENETUNREACH, REFUSED_BY_ROUTING, CAUSE_NO_ROUTE, true, "no route" },
		{ ERR_ENETUNREACH, REFUSED_BY_CGROUP, CAUSE_DENIED, true, "its cgroup does not" },
		{ ERR_EHOSTUNREACH, REFUSED_BY_SECURITY, CAUSE_DENIED, true, "security module does not" },
		{ ERR_EADDRNOTAVAIL, REFUSED_BY_ROUTING, CAUSE_SEND_FAILED, true, "local address" },
		{ ERR_EACCES, REFUSED_SOMEWHERE, CAUSE_DENIED, true, "(prohibit), a security module or" },
		{ ERR_EACCES, REFUSED_BY_ROUTING, CAUSE_DENIED, true, "(prohibit) does not" },
		{ ERR_EPERM, REFUSED_SOMEWHERE, CAUSE_DENIED, true, "IPsec policy, a security module or" },
		{ ERR_EPERM, REFUSED_BY_ROUTING, CAUSE_DENIED, true, "IPsec policy does not" },
		{ ERR_ENETUNREACH, REFUSED_BY_SOCKET, CAUSE_SEND_FAILED, false, "IPv6 only" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		begin(ROLE_ACTIVE, at_once_outcome(cases[i].error), 1, 0);
		handshake.error = cases[i].error;
		handshake.refused_by = cases[i].refused_by;
		handshake.latency_ns = NS_UNKNOWN;
		handshake.flags = HANDSHAKE_AT_ONCE;
		is_cause(cases[i].code, cases[i].proven);
		assert_non_null(strstr(cause.detail, cases[i].words));
		/* Runs that were skipped may have shown how far it came: only a security module's own is still sure. */
		evidence.unreported = UNREPORTED_CONNECT;
		is_cause(cases[i].code, cases[i].refused_by == REFUSED_BY_SECURITY);
		evidence.unreported = 0;
		evidence.complete = false;
		is_cause(cases[i].code, cases[i].refused_by == REFUSED_BY_SECURITY);
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
	is_cause(CAUSE_PORT_REUSED, false);
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
		cmocka_unit_test(refused_syn),
		cmocka_unit_test(no_port),
		cmocka_unit_test(send_failed),
		cmocka_unit_test(failed_at_once),
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
