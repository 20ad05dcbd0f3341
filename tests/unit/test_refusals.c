// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* correlate: whose SYNs a listener refused, of which only the number is reported. */
#include "tests/unit/correlating.h"

/* ---- refusals that are reported by their number ---- */

static void as_many_as_refused(void **state)
{
	struct event_handshake a, b;
	struct evidence e;

	(void)state;
	a = second_syn(one);
	b = second_syn(three);
	feed_refused(refused(0, 1050, 2));
	e = ask(&a, 2000);
	assert_int_equal(e.syn.count, 1);
	assert_false(e.syn.proven); /* a third one may still be about to be sent again */
	e = ask(&a, 2300);
	assert_true(e.syn.proven && e.syn.queue_known);
	assert_int_equal(e.syn.len, 5);
	assert_int_equal(e.syn.max, 4);
	e = ask(&b, 2300);
	assert_true(e.syn.proven);
}

static void looked_before_it_was_sent_again(void **state)
{
	struct event_handshake a;
	struct evidence e;

	(void)state;
	feed_refused(refused(0, 300, 1));
	a = second_syn(one);
	e = ask(&a, 1600);
	assert_true(e.syn.count == 1 && e.syn.proven);
}

static void fewer_or_more_than_refused(void **state)
{
	struct event_handshake a, b, d;
	unsigned int claims = 0;

	(void)state;
	a = second_syn(one);
	feed_refused(refused(0, 1050, 2)); /* one of them is of nobody here */
	assert_false(ask(&a, 3000).syn.proven);
	b = second_syn(two);
	assert_true(ask(&a, 3000).syn.proven && ask(&b, 3000).syn.proven);
	d = second_syn(three); /* one of the three was lost instead */
	claims += ask(&a, 3000).syn.count;
	claims += ask(&b, 3000).syn.count;
	claims += ask(&d, 3000).syn.count;
	assert_int_equal(claims, 2);
	assert_false(ask(&a, 3000).syn.proven);
	assert_false(ask(&b, 3000).syn.proven);
}

static void may_still_be_answered(void **state)
{
	struct event_retransmit again = syn(two, 2, 3000);
	struct event_handshake a;

	(void)state;
	feed_retransmit(syn(two, 1, 900)); /* its second SYN is open */
	a = second_syn(one);
	feed_refused(refused(500, 1050, 0)); /* nothing is among none */
	assert_int_equal(ask(&a, 3000).syn.count, 0);
	feed_refused(refused(0, 1050, 2));
	assert_false(ask(&a, 2900).syn.proven);
	correlate_retransmit(c, &again); /* now it is known to be unanswered, too: that makes three */
	assert_false(ask(&a, 3000).syn.proven);
}

static void gave_up_before_it_was_sent_again(void **state)
{
	struct event_handshake a;

	(void)state;
	feed(active(two, OUTCOME_CANCELLED, 500, 0));
	a = second_syn(one);
	feed_refused(refused(0, 1050, 1));
	assert_false(ask(&a, 3000).syn.proven);
}

static void clients_elsewhere(void **state)
{
	struct event_handshake a;

	(void)state;
	feed(passive(far, OUTCOME_ESTABLISHED, 0, 1, 0)); /* its other SYNs nobody sees */
	a = second_syn(one);
	feed_refused(refused(0, 1050, 1));
	assert_true(ask(&a, 3000).syn.count == 1 && !ask(&a, 3000).syn.proven);
}

static void clients_filtered_away(void **state)
{
	struct event_handshake a;

	(void)state;
	a = second_syn(one);
	feed_refused(refused(0, 1050, 1));
	assert_true(ask(&a, 3000).syn.proven);
	correlate_hidden(c, T0 + 2300 * MS); /* long after */
	assert_true(ask(&a, 3000).syn.proven);
	correlate_hidden(c, T0 + 1000 * MS);
	assert_false(ask(&a, 3000).syn.proven);
}

/* A time-out never shows its server: the address must be one namespace's, and all SYNs refused. */
static void timed_out(void **state)
{
	struct event_handshake a;

	(void)state;
	feed_retransmit(syn(one, 1, 1000));
	a = feed(active(one, OUTCOME_TIMEOUT, 3000, 1));
	feed_refused(refused(0, 500, 1));
	assert_false(ask(&a, 5000).syn.proven);
	feed_refused(refused(500, 1500, 1));
	assert_true(ask(&a, 5000).syn.proven && ask(&a, 5000).syn.count == 2);
	servers = 2;
	assert_false(ask(&a, 5000).syn.proven);
}

static void two_listeners(void **state)
{
	struct event_handshake a;
	struct syn_refusals other = refused(0, 1050, 1);

	(void)state;
	other.netns = 7; /* has not that address */
	feed_refused(other);
	a = second_syn(one);
	assert_int_equal(ask(&a, 3000).syn.count, 0);
	feed_refused(refused(0, 1050, 1));
	assert_true(ask(&a, 3000).syn.proven);
	feed_refused(refused(0, 1050, 1)); /* a second one of that port: SO_REUSEPORT */
	second_syn(two);
	assert_false(ask(&a, 3000).syn.proven);
	correlate_free(c);
	c = correlate_new(local, NULL, 0);
	address(other.addr, 4); /* bound to another address */
	other.netns = SERVER_NETNS;
	feed_refused(other);
	a = second_syn(one);
	assert_int_equal(ask(&a, 3000).syn.count, 0);
}

/* ---- a SYN that nobody refused ---- */

static struct event_handshake lost_syn(void)
{
	struct event_handshake a = second_syn(one);

	feed(passive(one, OUTCOME_ESTABLISHED, 1000, 1001, 0));
	return a;
}

static void nobody_refused_it(void **state)
{
	struct event_handshake a = lost_syn();

	(void)state;
	assert_false(ask(&a, 1100).none_refused); /* nobody has looked */
	correlate_looked(c, SERVER_NETNS, T0 + 1050 * MS);
	assert_true(ask(&a, 1100).none_refused);
	assert_int_equal(ask(&a, 1100).reach_ns, 0);
}

static void somebody_may_have(void **state)
{
	struct syn_refusals doubt = refused(0, 1050, 1);
	struct event_handshake a = lost_syn();

	(void)state;
	correlate_looked(c, SERVER_NETNS, T0 + 1050 * MS);
	doubt.port = 0;
	doubt.code = CODES;
	doubt.netns = 7;
	feed_refused(doubt);
	assert_true(ask(&a, 1100).none_refused);
	doubt.netns = SERVER_NETNS;
	feed_refused(doubt);
	assert_false(ask(&a, 1100).none_refused);
	assert_int_equal(ask(&a, 1100).syn.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with(as_many_as_refused),
		with(looked_before_it_was_sent_again),
		with(fewer_or_more_than_refused),
		with(may_still_be_answered),
		with(gave_up_before_it_was_sent_again),
		with(clients_elsewhere),
		with(clients_filtered_away),
		with(timed_out),
		with(two_listeners),
		with(nobody_refused_it),
		with(somebody_may_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
