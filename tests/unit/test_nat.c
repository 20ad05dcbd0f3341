// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* correlate: both sides of a connection whose addresses and ports NAT changes. */
#include "tests/unit/correlating.h"

#include "common/connection.h"

#define REAL_PORT 8080

/* What the server at 10.0.0.4 sees of a connection to 10.0.0.2: a client that is `seen_as`. */
static void translate(uint8_t *server_addr, uint16_t *server_port, uint8_t *client_addr, uint8_t seen_as)
{
	address(server_addr, 4);
	address(client_addr, seen_as);
	*server_port = REAL_PORT;
}

static struct event_handshake behind(struct event_handshake e, uint8_t seen_as)
{
	translate(e.local_addr, &e.local_port, e.remote_addr, seen_as);
	return e;
}

static struct event_retransmit synack_behind(struct event_retransmit e, uint8_t seen_as)
{
	translate(e.local_addr, &e.local_port, e.remote_addr, seen_as);
	return e;
}

static struct event_overflow refused_behind(struct connection k, uint64_t ms)
{
	struct event_overflow e = { .header.netns = SERVER_NETNS, .mono_ns = T0 + ms * MS, .proven = true,
				    .remote_port = k.port, .client_isn = k.isn, .stage = STAGE_SYN,
				    .code = CODE_ACCEPT_QUEUE_FULL, .accept_queue_len = 5, .accept_queue_max = 4 };

	translate(e.local_addr, &e.local_port, e.remote_addr, k.client);
	return e;
}

static uint64_t conn_of(const struct event_handshake *e)
{
	return connection_hash(e->local_addr, e->local_port, e->remote_addr, e->remote_port, e->client_isn);
}

static void assert_peer(const struct peer *peer, uint8_t host, uint16_t port, const struct event_handshake *client)
{
	uint8_t addr[16];

	address(addr, host);
	assert_memory_equal(peer->addr, addr, sizeof(addr));
	assert_int_equal(peer->port, port);
	assert_true(peer->conn == conn_of(client));
}

static const struct event_handshake *meet(const struct event_handshake *server, struct peer *peer, bool *translated)
{
	return correlate_met(c, server, peer, translated);
}

/* ---- established ---- */

static void each_side_is_where_the_other_knows(void **state)
{
	struct event_handshake a = active(one, OUTCOME_ESTABLISHED, 2, 0), p;
	const struct event_handshake *met;
	struct peer peer;
	bool translated;

	(void)state;
	assert_true(correlate_await(c, &a));
	feed(a);
	p = behind(passive(one, OUTCOME_ESTABLISHED, 1, 3, 0), 7);
	met = meet(&p, &peer, &translated);
	assert_non_null(met);
	assert_int_equal(met->client_isn, a.client_isn);
	assert_true(translated);
	assert_peer(&peer, 4, REAL_PORT, &a);
	assert_true(correlate_peer(c, &p, &peer));
	assert_peer(&peer, 1, one.port, &a);
	assert_false(correlate_awaits(c));
}

static void nothing_changed(void **state)
{
	struct event_handshake a = active(one, OUTCOME_ESTABLISHED, 2, 0);
	struct event_handshake p = passive(one, OUTCOME_ESTABLISHED, 1, 3, 0);
	struct event_handshake next = active(two, OUTCOME_ESTABLISHED, 4, 0);
	struct peer peer;
	bool translated;

	(void)state;
	assert_true(correlate_await(c, &a));
	feed(a);
	assert_non_null(meet(&p, &peer, &translated));
	assert_false(translated);
	assert_false(correlate_peer(c, &p, &peer));
	assert_false(correlate_await(c, &next)); /* the destination is known now */
}

static unsigned int alone;

static void count_alone(void *ctx, const struct event_handshake *e)
{
	(void)ctx;
	(void)e;
	alone++;
}

static void far_servers_are_waited_for_once(void **state)
{
	struct event_handshake a = active(one, OUTCOME_ESTABLISHED, 20, 0);
	struct event_handshake next = active(two, OUTCOME_ESTABLISHED, 900, 0);
	struct event_handshake later = active(three, OUTCOME_ESTABLISHED, 90000, 0);

	(void)state;
	alone = 0;
	assert_true(correlate_await(c, &a));
	correlate_release_alone(c, a.end_ns + 20 * MS, count_alone, NULL);
	assert_int_equal(alone, 0); /* its server's side may end half a round trip later */
	correlate_release_alone(c, a.end_ns + 100 * MS, count_alone, NULL);
	assert_int_equal(alone, 1);
	assert_false(correlate_awaits(c));
	assert_false(correlate_await(c, &next));
	assert_true(correlate_await(c, &later)); /* rules may have changed since */
}

/* The same number by chance: what does not fit is not joined, and of two that fit neither is. */
static void strangers(void **state)
{
	static const struct connection twin = { 3, 40003, 111 };
	struct event_handshake p = behind(passive(one, OUTCOME_ESTABLISHED, 101, 103, 0), 7);
	struct peer peer;

	(void)state;
	feed(active(one, OUTCOME_ESTABLISHED, 2, 0)); /* long before the server answered */
	assert_false(correlate_peer(c, &p, &peer));
	feed(active(one, OUTCOME_ESTABLISHED, 102, 0));
	assert_true(correlate_peer(c, &p, &peer));
	feed(active(twin, OUTCOME_ESTABLISHED, 102, 0));
	assert_false(correlate_peer(c, &p, &peer));
}

/* ---- in trouble ---- */

static void refused_by_a_full_queue(void **state)
{
	struct event_overflow first = refused_behind(one, 0), second = refused_behind(one, 1000);
	struct event_handshake a;
	struct evidence e;
	struct cause cause;
	struct peer peer;

	(void)state;
	correlate_overflow(c, &first);
	feed_retransmit(syn(one, 1, 1000));
	correlate_overflow(c, &second);
	a = feed(active(one, OUTCOME_TIMEOUT, 3000, 1));
	e = ask(&a, 4000);
	assert_int_equal(e.syn.count, 2);
	assert_true(e.syn.proven && e.remote_is_here);
	diagnose(&e, &cause);
	assert_int_equal(cause.code, CAUSE_ACCEPT_QUEUE_FULL);
	assert_true(cause.proven);
	assert_true(correlate_peer(c, &a, &peer));
	assert_peer(&peer, 4, REAL_PORT, &a);
}

static void refused_once_and_given_up(void **state)
{
	struct event_overflow only = refused_behind(one, 0);
	struct event_handshake a;

	(void)state;
	correlate_overflow(c, &only);
	a = feed(active(one, OUTCOME_CANCELLED, 500, 0));
	assert_int_equal(ask(&a, 600).syn.count, 1);
}

static void lost_synack(void **state)
{
	struct sighting at_server;
	struct event_handshake a, p;
	struct evidence e;
	struct peer peer;

	(void)state;
	feed_retransmit(synack_behind(synack(one, 1, 999), 7));
	feed_retransmit(syn(one, 1, 1000));
	a = feed(active(one, OUTCOME_ESTABLISHED, 1002, 1));
	p = feed(behind(passive(one, OUTCOME_ESTABLISHED, 0, 1003, 1), 7));
	e = ask(&a, 2000);
	assert_int_equal(e.synacks.count, 2);
	assert_true(e.server_done);
	assert_true(correlate_peer(c, &a, &peer));
	assert_peer(&peer, 4, REAL_PORT, &a);
	at_server = sighting_of(&p, ROLE_PASSIVE);
	assert_true(correlate_conn(c, &at_server) == conn_of(&a));
	e = ask(&p, 2000);
	assert_int_equal(e.syns.count, 2);
	assert_int_equal(e.client_done_ns, T0 + 1002 * MS);
	assert_true(correlate_peer(c, &p, &peer));
	assert_peer(&peer, 1, one.port, &a);
}

/* What a listener only counted, of a destination that led to it lately: nothing of that is proven. */
static void counted_where_others_were_led(void **state)
{
	struct event_handshake a = active(one, OUTCOME_ESTABLISHED, 2, 0), refused_one;
	struct event_handshake p = behind(passive(one, OUTCOME_ESTABLISHED, 1, 3, 0), 1);
	struct syn_refusals r = refused(900, 1100, 1);
	struct evidence e;
	struct peer peer;
	bool translated;

	(void)state;
	correlate_await(c, &a);
	feed(a);
	meet(&p, &peer, &translated);
	r.port = REAL_PORT;
	refused_one = active(two, OUTCOME_TIMEOUT, 2000, 0);
	refused_one.latency_ns = 1000 * MS; /* its SYN left at 1 s */
	feed(refused_one);
	feed_refused(r);
	e = ask(&refused_one, 4000);
	assert_int_equal(e.syn.count, 1);
	assert_false(e.syn.proven);
	assert_true(e.remote_is_here);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with(each_side_is_where_the_other_knows),
		with(nothing_changed),
		with(far_servers_are_waited_for_once),
		with(strangers),
		with(refused_by_a_full_queue),
		with(refused_once_and_given_up),
		with(lost_synack),
		with(counted_where_others_were_led),
	};

	return cmocka_run_group_tests_name("nat", tests, NULL, NULL);
}
