// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* correlate: what was seen of a connection on both sides, joined. */
#include "tests/unit/correlating.h"

/* ---- joins ---- */

static void both_sides(void **state)
{
	struct event_handshake a, p;
	struct evidence e;

	(void)state;
	feed_retransmit(synack(one, 1, 999));
	feed_retransmit(syn(one, 1, 1000));
	a = feed(active(one, OUTCOME_ESTABLISHED, 1002, 1));
	p = feed(passive(one, OUTCOME_ESTABLISHED, 0, 1003, 1));
	e = ask(&a, 2000);
	assert_int_equal(e.syns.count, 2);
	assert_int_equal(e.syns.after_ns[1], SECOND);
	assert_int_equal(e.synacks.count, 2);
	assert_int_equal(e.server_began_ns, T0);
	assert_true(e.server_done && e.remote_is_here && e.complete && !e.gap);
	e = ask(&p, 2000);
	assert_int_equal(e.client_done_ns, T0 + 1002 * MS);
	assert_int_equal(e.synacks.after_ns[1], 999 * MS);
	assert_false(e.client_waited);
}

static void client_without_trouble(void **state)
{
	struct event_handshake p;
	struct evidence e;

	(void)state;
	feed(active(one, OUTCOME_ESTABLISHED, 2, 0));
	feed_retransmit(synack(one, 1, 1000));
	p = feed(passive(one, OUTCOME_ESTABLISHED, 0, 1001, 1));
	e = ask(&p, 1001);
	assert_int_equal(e.client_done_ns, T0 + 2 * MS);
	assert_int_equal(e.trip_ns, 2 * MS);
}

/* The same ends, another connection: on either side nothing of the old one is taken. */
static void ports_used_again(void **state)
{
	const struct connection again = { 1, 40001, 111111111 };
	struct event_handshake a, p;
	struct evidence e;

	(void)state;
	feed_retransmit(synack(one, 1, 1000));
	feed(active(one, OUTCOME_ESTABLISHED, 2, 0));
	a = active(again, OUTCOME_TIMEOUT, 3000, 1);
	e = ask(&a, 3000);
	assert_int_equal(e.server_began_ns, NS_UNKNOWN);
	assert_int_equal(e.synacks.count, 0);
	p = passive(again, OUTCOME_ESTABLISHED, 2000, 3000, 1);
	e = ask(&p, 3000);
	assert_int_equal(e.client_done_ns, NS_UNKNOWN);
	feed(p); /* is not the end of the old one */
	a = active(one, OUTCOME_ESTABLISHED, 2, 1);
	e = ask(&a, 3000);
	assert_false(e.server_done);
	feed_retransmit(syn(again, 1, 4000)); /* and takes its place */
	e = ask(&a, 4000);
	assert_int_equal(e.synacks.count, 0);
}

static struct event_overflow overflow(struct connection k, enum overflow_stage stage, uint32_t isn)
{
	struct event_overflow e = { .header.netns = SERVER_NETNS, .mono_ns = T0 + 500 * MS,
				    .local_port = 80, .remote_port = k.port, .client_isn = isn,
				    .stage = stage, .proven = 1, .accept_queue_len = 5,
				    .accept_queue_max = 4 };

	address(e.local_addr, 2);
	address(e.remote_addr, k.client);
	return e;
}

static void refused_one_by_one(void **state)
{
	struct event_overflow o = overflow(one, STAGE_SYN, one.isn);
	struct event_handshake a;
	struct evidence e;

	(void)state;
	correlate_overflow(c, &o);
	a = second_syn(one);
	e = ask(&a, 1001);
	assert_int_equal(e.syn.count, 1);
	assert_true(e.syn.proven && e.syn.queue_known);
	o.proven = 0;
	correlate_overflow(c, &o);
	e = ask(&a, 1001);
	assert_int_equal(e.syn.count, 2);
	assert_false(e.syn.proven);
}

/* A flood of refused SYNs takes no room from connections that are asked about, but for a client that is here. */
static void refused_strangers(void **state)
{
	struct event_overflow o = overflow(one, STAGE_SYN, one.isn);
	uint64_t room = TRACKS_MAX;

	(void)state;
	address(o.remote_addr, 77);
	for (uint32_t i = 0; i < 2 * TRACKS_MAX; i++) {
		o.client_isn = i;
		o.remote_port = (uint16_t)i;
		correlate_overflow(c, &o);
	}
	assert_false(correlate_tracks(c));
	assert_int_equal(correlate_lost(c), 0);
	o.from_here = 1;
	for (uint32_t i = 0; i < room; i++) {
		o.client_isn = i;
		o.remote_port = (uint16_t)i;
		correlate_overflow(c, &o);
	}
	assert_true(correlate_tracks(c));
	assert_int_equal(correlate_lost(c), 0);
}

/* Data that follows the final ACK is refused like that; an older connection's ACK is not ours. */
static void refused_acks(void **state)
{
	struct event_overflow o = overflow(one, STAGE_ACK, one.isn);
	struct event_handshake p;
	struct evidence e;

	(void)state;
	feed_retransmit(synack(one, 1, 1000));
	correlate_overflow(c, &o);
	o.client_isn = one.isn + 1448;
	correlate_overflow(c, &o);
	p = passive(one, OUTCOME_TIMEOUT, 0, 3000, 1);
	e = ask(&p, 3000);
	assert_int_equal(e.ack.count, 2);
	assert_int_equal(e.synacks.count, 2);
	assert_true(e.ack.proven);
	assert_false(e.ack.at_least);
	correlate_limited(c, T0 + 500 * MS);
	e = ask(&p, 3000);
	assert_true(e.ack.proven && e.ack.at_least);
	o.client_isn = one.isn + 50000000;
	correlate_overflow(c, &o);
	e = ask(&p, 3000);
	assert_int_equal(e.ack.count, 0);
}

/* ---- gaps ---- */

static void events_missing(void **state)
{
	struct event_retransmit partial = syn(two, 3, 7000);
	struct event_handshake a, b;

	(void)state;
	feed_retransmit(syn(one, 2, 3000)); /* the first retransmission was not reported */
	a = feed(active(one, OUTCOME_TIMEOUT, 7000, 2));
	assert_true(ask(&a, 7000).gap);
	partial.start_ns = NS_UNKNOWN;
	feed_retransmit(partial);
	b = feed(active(two, OUTCOME_TIMEOUT, 9000, 3));
	assert_true(ask(&b, 9000).gap);
	assert_true(ask(&a, 7000).complete);
	correlate_incomplete(c, T0);
	assert_false(ask(&a, 7000).complete);
	a.end_ns = T0 + 200 * SECOND;
	assert_true(ask(&a, 7000).complete);
}

static void one_sided_filter(void **state)
{
	struct event_handshake p;

	(void)state;
	feed_retransmit(syn(one, 1, 1000));
	p = passive(one, OUTCOME_TIMEOUT, 0, 3000, 1);
	assert_true(ask(&p, 3000).client_waited);
	correlate_free(c);
	c = correlate_new(local, NULL, UINT64_MAX);
	feed_retransmit(syn(one, 1, 1000));
	assert_false(ask(&p, 3000).client_waited); /* its end may have been filtered away */
	correlate_free(c);
	c = correlate_new(local, NULL, 1100 * MS);
	feed_retransmit(syn(one, 1, 1000));
	assert_false(ask(&p, 3000).client_waited); /* so may one that is ESTABLISHED with that SYN */
	feed_retransmit(syn(one, 2, 3000));
	assert_true(ask(&p, 3500).client_waited);
}

static void table_full(void **state)
{
	struct event_handshake a = active(one, OUTCOME_ESTABLISHED, 1, 1);

	(void)state;
	for (unsigned int i = 0; i <= TRACKS_MAX; i++)
		feed_retransmit(syn((struct connection){ (uint8_t)(i >> 14), (uint16_t)i, i }, 1, 1000));
	assert_int_equal(correlate_lost(c), 1);
	assert_false(ask(&a, 1000).complete);
}

/* ---- waiting ---- */

static unsigned int released;

static void count_released(void *ctx, const struct event_handshake *e)
{
	(void)ctx;
	(void)e;
	released++;
}

static unsigned int release(uint64_t ms)
{
	released = 0;
	correlate_release(c, T0 + ms * MS, count_released, NULL);
	return released;
}

static void waits_for_the_server(void **state)
{
	struct event_handshake a = second_syn(one), p = passive(one, OUTCOME_ESTABLISHED, 0, 1, 1);

	(void)state;
	assert_true(correlate_hold(c, &p));
	assert_true(correlate_holds(c, T0 + MS));
	assert_int_equal(correlate_due(c, T0 + MS), 0); /* needs no look */
	assert_int_equal(release(1), 1);
	assert_true(correlate_hold(c, &a));
	assert_false(correlate_holds(c, T0 + 1050 * MS));
	assert_int_equal(release(1050), 0);
	assert_int_equal(correlate_due(c, T0 + 1200 * MS), a.end_ns);
	assert_int_equal(release(1200), 0); /* a far server ends later */
	feed(passive(one, OUTCOME_ESTABLISHED, 1000, 1002, 0));
	assert_int_equal(release(1200), 1);
	assert_true(correlate_hold(c, &a));
	feed_refused(refused(0, 1050, 1)); /* until it can be proven */
	assert_int_equal(release(2000), 0);
	assert_int_equal(release(2300), 1);
	assert_true(correlate_hold(c, &a));
	released = 0;
	correlate_release(c, UINT64_MAX, count_released, NULL);
	assert_int_equal(released, 1);
}

static void room_for_so_many(void **state)
{
	struct event_handshake a = active(one, OUTCOME_ESTABLISHED, 1, 1);
	unsigned int held = 0;

	(void)state;
	while (correlate_hold(c, &a))
		held++;
	assert_int_equal(held, 8192);
}

/* ---- requests that nobody saw end ---- */

static struct event_handshake inferred;
static unsigned int inferences;
static bool still_there;

static bool is_there(void *ctx, const struct event_handshake *e)
{
	(void)ctx;
	(void)e;
	return still_there;
}

static void keep_inferred(void *ctx, const struct event_handshake *e)
{
	(void)ctx;
	inferred = *e;
	inferences++;
}

static unsigned int expire(uint64_t ms, bool reset_is_reported)
{
	const struct correlate_inference infer = { .reset_is_reported = reset_is_reported, .pending = is_there,
						   .fn = keep_inferred };

	inferences = 0;
	correlate_expire(c, T0 + ms * MS, &infer);
	return inferences;
}

static void ran_out(void **state)
{
	(void)state;
	still_there = true;
	feed_retransmit(synack(one, 1, 1000));
	assert_int_equal(expire(3500, true), 0);
	assert_int_equal(expire(4300, true), 1);
	assert_int_equal(inferred.outcome, OUTCOME_TIMEOUT);
	assert_int_equal(inferred.end_ns, T0 + 3 * SECOND);
	assert_int_equal(inferred.latency_ns, 3 * SECOND);
	assert_int_equal(inferred.retransmit_wait_ns, 3 * SECOND);
	assert_int_equal(inferred.client_isn, one.isn);
	assert_int_equal(inferred.local_port, 80);
	assert_int_equal(inferred.remote_port, one.port);
	assert_int_equal(inferred.retransmits, 1);
	assert_int_equal(inferred.header.netns, SERVER_NETNS);
	assert_true(ask(&inferred, 4300).exhausted);
	assert_int_equal(expire(5000, true), 0);
	assert_int_equal(expire(20000, true), 0); /* forgotten by now */
	assert_int_equal(ask(&inferred, 20000).synacks.count, 0);
}

static void went_away_early(void **state)
{
	struct event_retransmit e = synack(one, 1, 1000);

	(void)state;
	still_there = true;
	e.retries = 5;
	correlate_retransmit(c, &e);
	assert_int_equal(expire(4300, false), 1);
	assert_int_equal(inferred.outcome, OUTCOME_RESET);
	assert_int_equal(inferred.retransmit_wait_ns, NS_UNKNOWN);
	e.client_isn++;
	correlate_retransmit(c, &e);
	assert_int_equal(expire(4300, true), 1); /* a RST would have been reported */
	assert_int_equal(inferred.outcome, OUTCOME_TIMEOUT);
	assert_false(ask(&inferred, 4300).exhausted);
}

/* With a SYN queue over half full the kernel gives up after two time-outs: no client's doing. */
static void pruned(void **state)
{
	struct event_retransmit e = synack(one, 2, 3000), other = synack(far, 1, 6000);

	(void)state;
	still_there = true;
	e.retries = other.retries = 5;
	e.crowded = 1;
	correlate_retransmit(c, &e);
	assert_int_equal(expire(9000, false), 1);
	assert_int_equal(inferred.outcome, OUTCOME_TIMEOUT);
	assert_false(ask(&inferred, 9000).exhausted); /* not proven */

	e = synack(two, 2, 3000); /* the queue filled later, as another request shows */
	e.retries = 5;
	other.crowded = 1;
	correlate_retransmit(c, &e);
	correlate_retransmit(c, &other);
	assert_int_equal(expire(9000, false), 1);
	assert_int_equal(inferred.outcome, OUTCOME_TIMEOUT);

	assert_int_equal(expire(10000, false), 1); /* that one: it had no two time-outs */
	assert_int_equal(inferred.outcome, OUTCOME_RESET);

	e = synack(three, 1, 13000); /* one time-out is never enough */
	e.retries = 5;
	e.crowded = 1;
	correlate_retransmit(c, &e);
	assert_int_equal(expire(17000, false), 1);
	assert_int_equal(inferred.outcome, OUTCOME_RESET);
}

/* SYN-ACKs at these times, in milliseconds, each sent by the timer; five retries. */
static void feed_timeouts(const unsigned int *ms, uint8_t count)
{
	for (uint8_t i = 0; i < count; i++) {
		struct event_retransmit e = synack(one, i + 1, ms[i]);

		e.timeouts = i;
		e.retries = 5;
		correlate_retransmit(c, &e);
	}
}

/* Where the kernel limits its timers, as waits that grow no longer show, it ends at the limit. */
static void limited_timers(void **state)
{
	(void)state;
	still_there = true;
	feed_timeouts((unsigned int[]){ 1000, 2500, 4000, 5500, 7000 }, 5);
	assert_int_equal(expire(8500, false), 0);
	assert_int_equal(expire(10500, false), 1);
	assert_int_equal(inferred.end_ns, T0 + 8500 * MS);
}

/* A first wait of half a second, doubled, is no limit. */
static void shorter_timers(void **state)
{
	(void)state;
	still_there = true;
	feed_timeouts((unsigned int[]){ 500, 1500, 3500, 7500 }, 4);
	assert_int_equal(expire(22000, false), 0);
}

/* Nor is an answer to a SYN that came again, right after the timer's. */
static void answered_between(void **state)
{
	struct event_retransmit e = synack(one, 1, 1000);

	(void)state;
	still_there = true;
	e.retries = 5;
	correlate_retransmit(c, &e);
	for (uint16_t i = 0; i < 3; i++) {
		e = synack(one, i + 2, 1001 + i * 1000);
		e.timeouts = 1;
		e.retries = 5;
		correlate_retransmit(c, &e);
	}
	assert_int_equal(expire(7000, false), 0);
}

/* TCP_DEFER_ACCEPT: its ACK may have come, and no SYN-ACK goes out before the last but one of those time-outs. */
static void waits_for_data(void **state)
{
	struct event_retransmit e = synack(one, 1, 1000);

	(void)state;
	still_there = true;
	e.retries = 5;
	e.deferred = 5;
	correlate_retransmit(c, &e); /* the first time-out, at 1 s; the fifth one comes at 31 s */
	assert_int_equal(expire(32000, false), 0);
	assert_int_equal(expire(37000, false), 1);
	e = synack(two, 1, 1000);
	e.retries = 5;
	e.deferred = 1; /* the next one is due as ever */
	correlate_retransmit(c, &e);
	assert_int_equal(expire(4300, false), 1);
}

/* What the kernel side keeps of a request outlives the moment when the daemon says that it is gone. */
static void kept_long_enough(void **state)
{
	(void)state;
	still_there = true;
	for (unsigned int timeouts = 0; timeouts < 128; timeouts++) {
		for (unsigned int deferred = 0; deferred < 256; deferred += 5) {
			struct event_retransmit e = synack(one, timeouts + 1, 0);
			uint64_t kept_ms = request_kept_ns(timeouts, deferred) / MS;

			e.client_isn = 1000 + timeouts * 256 + deferred;
			e.deferred = (uint8_t)deferred;
			correlate_retransmit(c, &e);
			assert_int_equal(expire(kept_ms, false), 1);
			expire(kept_ms + 200000, false); /* forgotten */
		}
	}
}

static void ended_after_all(void **state)
{
	(void)state;
	still_there = true;
	feed_retransmit(synack(one, 1, 1000));
	feed(passive(one, OUTCOME_ESTABLISHED, 0, 1001, 1));
	assert_int_equal(expire(60000, true), 0);
	still_there = false; /* its end was reported, but filtered away or lost */
	feed_retransmit(synack(two, 1, 1000));
	assert_int_equal(expire(60000, true), 0);
}

/* A SYN that comes when the request has run out begins another one. */
static void begun_anew(void **state)
{
	struct event_retransmit e = synack(one, 1, 4000);
	struct event_handshake a;

	(void)state;
	feed_retransmit(synack(one, 1, 1000));
	e.start_ns = T0 + 3000 * MS;
	correlate_retransmit(c, &e);
	feed_retransmit(syn(one, 1, 1000));
	feed_retransmit(syn(one, 2, 3000));
	a = feed(active(one, OUTCOME_TIMEOUT, 7000, 2));
	assert_false(ask(&a, 7000).gap);
	assert_int_equal(ask(&a, 7000).server_began_ns, T0);
}

static void forgotten(void **state)
{
	struct event_handshake a;

	(void)state;
	feed_retransmit(syn(one, 1, 1000));
	a = active(one, OUTCOME_TIMEOUT, 120000, 1);
	expire(120000, true);
	assert_int_equal(ask(&a, 120000).syns.count, 2); /* it may go on for minutes */
	feed(a);
	expire(124000, true);
	assert_int_equal(ask(&a, 124000).syns.count, 2);
	expire(126000, true);
	assert_int_equal(ask(&a, 126000).syns.count, 0);
}

/* A connection of process 7 to port 80 of 10.0.0.`host`, from `from_ms` to `end_ms`. */
static struct event_handshake contender(uint8_t host, enum outcome outcome, uint64_t from_ms, uint64_t end_ms)
{
	struct event_handshake e = active(one, outcome, end_ms, 0);

	e.local_port += host; /* ends of its own */
	e.latency_ns = (end_ms - from_ms) * MS;
	e.caller.pid = 7;
	address(e.remote_addr, host);
	return e;
}

static bool lost_race(struct event_handshake e)
{
	return ask(&e, 5000).race_lost;
}

static void races(void **state)
{
	struct event_handshake other;

	(void)state;
	assert_false(lost_race(contender(2, OUTCOME_CANCELLED, 0, 1510)));
	feed(contender(3, OUTCOME_ESTABLISHED, 1300, 1500));
	assert_true(lost_race(contender(2, OUTCOME_CANCELLED, 0, 1510)));
	assert_false(lost_race(contender(2, OUTCOME_CANCELLED, 0, 1600))); /* not at once */
	assert_false(lost_race(contender(2, OUTCOME_CANCELLED, 1400, 1510))); /* began later */
	assert_false(lost_race(contender(2, OUTCOME_CANCELLED, 0, 1490))); /* ended before */
	assert_false(lost_race(contender(3, OUTCOME_CANCELLED, 0, 1510))); /* the same address */
	other = contender(2, OUTCOME_CANCELLED, 0, 1510);
	other.caller.pid = 8;
	assert_false(lost_race(other));
	other.caller.pid = 0;
	assert_false(lost_race(other));
	other.caller.pid = 7;
	other.remote_port = 81;
	assert_false(lost_race(other));
	feed(contender(4, OUTCOME_ESTABLISHED, 1501, 1505)); /* it connects all the time */
	assert_false(lost_race(contender(2, OUTCOME_CANCELLED, 0, 1510)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with(both_sides),
		with(client_without_trouble),
		with(ports_used_again),
		with(refused_one_by_one),
		with(refused_strangers),
		with(refused_acks),
		with(events_missing),
		with(one_sided_filter),
		with(table_full),
		with(waits_for_the_server),
		with(room_for_so_many),
		with(ran_out),
		with(went_away_early),
		with(pruned),
		with(limited_timers),
		with(shorter_timers),
		with(answered_between),
		with(waits_for_data),
		with(kept_long_enough),
		with(ended_after_all),
		with(begun_anew),
		with(forgotten),
		with(races),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
