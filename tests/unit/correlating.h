/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events of a few connections, for the tests of correlate. */
#ifndef TCPSHAKE_TEST_CORRELATING_H
#define TCPSHAKE_TEST_CORRELATING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/maps.h"
#include "bpf/outcome.h"
#include "daemon/cause/correlate.h"
#include "daemon/cause/diagnose.h"
#include "daemon/cause/track.h"

#define MS 1000000ULL
#define SECOND (1000 * MS)
#define T0 (1000 * SECOND)
#define SERVER_NETNS 2

/* 10.0.0.x: 1 and 3 are clients of this host, 2 and 4 are its server; nobody knows of the others. */
static const uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff, [12] = 10 };
static unsigned int servers = 1; /* namespaces that have 10.0.0.2 */

__attribute__((unused)) static unsigned int local(void *ctx, uint32_t netns, const uint8_t *addr)
{
	(void)ctx;
	if (addr[15] == 2 || addr[15] == 4)
		return netns ? netns == SERVER_NETNS : servers;
	return (addr[15] == 1 || addr[15] == 3) && (!netns || netns == 1);
}

__attribute__((unused)) static void address(uint8_t *addr, uint8_t host)
{
	memcpy(addr, mapped, 16);
	addr[15] = host;
}

struct connection {
	uint8_t client;
	uint16_t port;
	uint32_t isn;
};

__attribute__((unused)) static const struct connection one = { 1, 40001, 111 }, two = { 1, 40002, 222 },
			       three = { 3, 40003, 333 }, far = { 9, 40009, 999 };

__attribute__((unused)) static struct event_retransmit syn(struct connection k, unsigned int attempt, uint64_t ms)
{
	struct event_retransmit e = { .header.netns = 1, .segment = SEGMENT_SYN,
				      .local_port = k.port, .remote_port = 80,
				      .client_isn = k.isn, .attempt = (uint16_t)attempt,
				      .start_ns = T0, .mono_ns = T0 + ms * MS };

	address(e.local_addr, k.client);
	address(e.remote_addr, 2);
	return e;
}

__attribute__((unused)) static struct event_retransmit synack(struct connection k, unsigned int attempt, uint64_t ms)
{
	struct event_retransmit e = syn(k, attempt, ms);

	e.segment = SEGMENT_SYN_ACK;
	e.header.netns = SERVER_NETNS;
	e.local_port = 80;
	e.remote_port = k.port;
	address(e.local_addr, 2);
	address(e.remote_addr, k.client);
	e.timeouts = (uint8_t)(attempt - 1);
	e.retries = 1;
	return e;
}

__attribute__((unused)) static struct event_handshake active(struct connection k, enum outcome outcome, uint64_t end_ms,
				     unsigned int retransmits)
{
	struct event_handshake e = { .header.netns = 1, .role = ROLE_ACTIVE, .outcome = outcome,
				     .local_port = k.port, .remote_port = 80, .client_isn = k.isn,
				     .end_ns = T0 + end_ms * MS, .latency_ns = end_ms * MS,
				     .rtt_ns = NS_UNKNOWN, .retransmits = (uint16_t)retransmits };

	address(e.local_addr, k.client);
	address(e.remote_addr, 2);
	return e;
}

__attribute__((unused)) static struct event_handshake passive(struct connection k, enum outcome outcome, uint64_t begin_ms,
				      uint64_t end_ms, unsigned int retransmits)
{
	struct event_handshake e = active(k, outcome, end_ms, retransmits);

	e.header.netns = SERVER_NETNS;
	e.role = ROLE_PASSIVE;
	e.local_port = 80;
	e.remote_port = k.port;
	e.latency_ns = (end_ms - begin_ms) * MS;
	address(e.local_addr, 2);
	address(e.remote_addr, k.client);
	return e;
}

__attribute__((unused)) static struct syn_refusals refused(uint64_t from_ms, uint64_t to_ms, uint64_t count)
{
	return (struct syn_refusals){ .netns = SERVER_NETNS, .port = 80, .from_ns = T0 + from_ms * MS,
				      .to_ns = T0 + to_ms * MS, .count = count, .proven = true,
				      .code = CODE_ACCEPT_QUEUE_FULL, .len = 5, .max = 4 };
}

#define with(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static struct correlate *c;

__attribute__((unused)) static int setup(void **state)
{
	(void)state;
	servers = 1;
	c = correlate_new(local, NULL, 0);
	return c ? 0 : -1;
}

__attribute__((unused)) static int teardown(void **state)
{
	(void)state;
	correlate_free(c);
	return 0;
}

__attribute__((unused)) static void feed_retransmit(struct event_retransmit e)
{
	correlate_retransmit(c, &e);
}

__attribute__((unused)) static struct event_handshake feed(struct event_handshake e)
{
	correlate_handshake(c, &e, diagnose_wanted(&e, 0));
	return e;
}

__attribute__((unused)) static void feed_refused(struct syn_refusals r)
{
	correlate_refusals(c, &r);
}

__attribute__((unused)) static struct evidence ask(const struct event_handshake *e, uint64_t ms)
{
	struct evidence evidence;

	correlate_release(c, 0, NULL, NULL); /* a new reckoning */
	correlate_evidence(c, e, T0 + ms * MS, &evidence);
	return evidence;
}

/* A client whose first SYN was unanswered, established with the second. */
__attribute__((unused)) static struct event_handshake second_syn(struct connection k)
{
	feed_retransmit(syn(k, 1, 1000));
	return feed(active(k, OUTCOME_ESTABLISHED, 1001, 1));
}

#endif
