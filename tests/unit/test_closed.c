// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Listeners that were closed while handshakes were under way: whose that explains, and how surely. */
#include "tests/unit/diagnosing.h"

#include "daemon/cause/closed.h"

#define SERVER_NETNS 2

static const uint8_t server[16] = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 2 };
static struct closed_listeners closed;
static struct closed_listener listener;
static unsigned int namespaces; /* that have the server's address */

static unsigned int local(void *ctx, uint32_t netns, const uint8_t *addr)
{
	(void)ctx;
	return memcmp(addr, server, sizeof(server)) == 0 && (!netns || netns == SERVER_NETNS) ? namespaces : 0;
}

/* A client of 3 s that a RST ended, 1 s after the listener of 10.0.0.2:80 was closed. */
static void client(void)
{
	begin(ROLE_ACTIVE, OUTCOME_REFUSED, 3 * SECOND, 1);
	handshake.flags = HANDSHAKE_RESET | HANDSHAKE_RESET_HERE;
	memcpy(handshake.remote_addr, server, sizeof(server));
	SENT(syns, 0, 3000);
	namespaces = 1;
	memset(&closed, 0, sizeof(closed));
	listener = (struct closed_listener){ .socket = 77, .closed_ns = END - SECOND, .netns = SERVER_NETNS, .port = 80,
					     .len = 2, .max = 1 };
	memcpy(listener.addr, server, sizeof(server));
}

/* A request whose SYN-ACK was sent twice, and which was not seen to end. */
static void request(void)
{
	client();
	begin(ROLE_PASSIVE, OUTCOME_TIMEOUT, 3 * SECOND, 1);
	handshake.local_port = 80;
	handshake.listener.socket = 77;
	evidence.inferred = true;
}

static void find(void)
{
	closed_add(&closed, &listener);
	closed_find(&closed, local, NULL, &evidence);
}

/* Another that was closed since has its place: that nobody listened as the SYN left is not certain any more. */
static void test_overwritten(void **state)
{
	(void)state;
	client();
	find();
	listener.port += CLOSED;
	listener.closed_ns += 1;
	evidence.closed = (struct closed_evidence){ .at_ns = 0 };
	find();
	is_cause(CAUSE_PORT_CLOSED, false);
	handshake.latency_ns = SECOND / 2; /* it began later */
	closed_find(&closed, local, NULL, &evidence);
	is_cause(CAUSE_PORT_CLOSED, true);
}

static void test_client(void **state)
{
	(void)state;
	client();
	is_cause(CAUSE_PORT_CLOSED, true);
	find();
	is_cause(CAUSE_LISTENER_CLOSED, true);
	assert_string_equal(cause.detail, "SYN sent at 0 and 3 s: the listener on port 80 there was closed 2.00 s after the first "
					  "one, with 2 connections in its accept queue of 1, and the last one got a RST");
	evidence.complete = false; /* it may have begun to listen after the first SYN */
	is_cause(CAUSE_LISTENER_CLOSED, false);
}

#define is_port_closed(change)                      \
	do {                                        \
		client();                           \
		change;                             \
		find();                             \
		is_cause(CAUSE_PORT_CLOSED, true); \
	} while (0)

static void test_another_listener(void **state)
{
	(void)state;
	is_port_closed(listener.closed_ns = END - 4 * SECOND); /* before its first SYN */
	is_port_closed(listener.closed_ns = END + 1);
	is_port_closed(listener.opened_ns = END - 2 * SECOND); /* its first SYN met none */
	is_port_closed(listener.opened_ns = NS_UNKNOWN);
	is_port_closed(listener.addr[15] = 3);
	is_port_closed(listener.port = 80 + CLOSED);
	is_port_closed(listener.netns = 3);
	is_port_closed(namespaces = 2); /* whose RST it was is not known */
	is_port_closed(handshake.flags |= HANDSHAKE_TRANSLATED); /* nor where NAT led it */
	client();
	handshake.flags &= ~HANDSHAKE_RESET_HERE; /* some firewall's */
	find();
	is_cause(CAUSE_PORT_CLOSED, false);
}

/* As with 127.0.0.1, which every namespace has. */
static void test_own_namespace(void **state)
{
	(void)state;
	client();
	namespaces = 7;
	handshake.header.netns = SERVER_NETNS;
	find();
	is_cause(CAUSE_LISTENER_CLOSED, true);
	is_port_closed({ handshake.header.netns = SERVER_NETNS; listener.netns = 3; });
}

static void test_wildcard(void **state)
{
	(void)state;
	client();
	memset(listener.addr, 0, sizeof(listener.addr));
	find();
	is_cause(CAUSE_LISTENER_CLOSED, true);
	is_port_closed({ memset(listener.addr, 0, sizeof(listener.addr)); listener.v6only = true; });
}

static void test_request(void **state)
{
	(void)state;
	request();
	find();
	is_cause(CAUSE_LISTENER_CLOSED, true);
	assert_string_equal(cause.detail, "SYN-ACK sent twice; then the listener was closed, with 2 connections in its accept queue "
					  "of 1, and the request went with it");
	evidence.complete = false;
	is_cause(CAUSE_LISTENER_CLOSED, false);
	evidence.complete = true;
	evidence.unreported = UNREPORTED_REQUEST_RESET; /* its client may have ended it before */
	is_cause(CAUSE_LISTENER_CLOSED, false);
	evidence.unreported = 0;
	evidence.exhausted = true; /* it ran out by itself */
	is_cause(CAUSE_NO_ANSWER, true);
	request();
	listener.socket = 78;
	find();
	is_cause(CAUSE_NO_ANSWER, false);
}

/* Its final ACK came before, and was refused or thrown away. */
static void test_request_refused(void **state)
{
	(void)state;
	request();
	find();
	evidence.ack = (struct refusal_evidence){ .count = 2, .proven = true, .code = CODE_ACCEPT_QUEUE_FULL };
	is_cause(CAUSE_ACCEPT_QUEUE_FULL, true);
	request();
	find();
	evidence.dropped[DROP_ACK] = (struct drop_evidence){ .count = 1, .first_ns = END - 2 * SECOND, .direction = DROP_IN };
	is_cause(CAUSE_LOCAL_DROP, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overwritten),
		cmocka_unit_test(test_client),
		cmocka_unit_test(test_another_listener),
		cmocka_unit_test(test_own_namespace),
		cmocka_unit_test(test_wildcard),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_request_refused),
	};

	return cmocka_run_group_tests_name("closed", tests, NULL, NULL);
}
