// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* evidence, explain_unseen: what a feed's host lets be seen, and what hides where it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/feed/causes.h"
#include "cli/feed/evidence.h"
#include "cli/explain/model.h"
#include "cli/explain/unseen.h"

#define HELLO(capabilities, rest) \
	"{\"v\":1,\"type\":\"hello\",\"capabilities\":{" capabilities "}" rest "}"

static struct record parsed(const char *line)
{
	struct record r;
	char error[160];

	if (record_parse(line, strlen(line), &r, error, sizeof(error)) != RECORD_GOOD)
		fail_msg("%s: %s", line, error);
	return r;
}

static struct evidence taken(const char *line)
{
	struct record r = parsed(line);
	struct evidence e;

	evidence_take(&e, &r);
	record_free(&r);
	return e;
}

static uint32_t lacking(const char *line)
{
	return taken(line).lacking;
}

#define LACKS(sight) (1U << SIGHT_##sight)

/* Every code is one of causes.c, and nothing hides behind itself. */
static void test_table(void **state)
{
	(void)state;
	for (int i = 0; i < SIGHTS; i++) {
		const struct sight_row *row = &sight_rows[i];

		assert_true(row->needs && *row->shows && row->causes[0] && row->behind[0]);
		for (int n = 0; n < SIGHT_CODES; n++) {
			assert_true(!row->causes[n] || cause_find(row->causes[n]));
			assert_true(!row->behind[n] || cause_find(row->behind[n]));
			for (int m = 0; row->causes[n] && m < SIGHT_CODES && row->behind[m]; m++)
				assert_string_not_equal(row->causes[n], row->behind[m]);
		}
	}
	for (int i = 0; i < CAPABILITIES; i++)
		assert_true(*capability_name((enum capability)i));
}

static void test_what_is_lacking(void **state)
{
	(void)state;
	assert_int_equal(lacking(HELLO("\"queue_look\":true", "")), 0);
	/* What an older daemon does not name is not refused. */
	assert_int_equal(lacking(HELLO("\"kfree_skb\":true", "")), 0);
	assert_int_equal(lacking(HELLO("\"queue_look\":false", "")), LACKS(SYNS));
	assert_int_equal(lacking(HELLO("\"queue_iterator\":false", "")), LACKS(SYNS));
	/* Hooks show each refused SYN and ACK, though no queue. */
	assert_int_equal(lacking(HELLO("\"queue_look\":false,\"kfree_skb\":false,"
				       "\"listener_iterator\":false,\"function_hooks\":true", "")), 0);
	assert_int_equal(lacking(HELLO("\"kfree_skb\":true,\"overflow_reason\":false,"
				       "\"function_hooks\":false", "")), LACKS(ACKS));
	/* From 1.5 on each kind of hook is named by itself. */
	assert_int_equal(lacking(HELLO("\"kfree_skb\":false,\"function_hooks\":true,\"ack_hooks\":false", "")),
			 LACKS(ACKS));
	assert_int_equal(lacking(HELLO("\"kfree_skb\":false,\"function_hooks\":false,\"ack_hooks\":true", "")), 0);
	assert_int_equal(lacking(HELLO("\"listener_iterator\":false", "")), LACKS(OLD_LISTENERS));
	assert_int_equal(lacking(HELLO("\"listener_iterator\":false,\"queue_look\":false", "")),
			 LACKS(SYNS));
	assert_int_equal(lacking(HELLO("\"tcp_retransmit_skb\":false,\"tcp_send_reset\":false,"
				       "\"tcp_receive_reset\":false,\"neigh_timer_handler\":false", "")),
			 LACKS(SYN_AGAIN) | LACKS(RESETS_SENT) | LACKS(RESETS_RECEIVED) |
				 LACKS(NEIGHBOURS));
	assert_int_equal(lacking("{\"v\":1,\"type\":\"hello\"}"), 0);
	assert_false(taken("{\"v\":1,\"type\":\"hello\"}").known);
}

static void expect_reasons(const char *line, enum sight sight, const char *says)
{
	struct evidence e = taken(line);
	char text[200];

	assert_string_equal(evidence_reasons(&e, sight, text, sizeof(text)), says);
}

static void test_reasons(void **state)
{
	(void)state;
	expect_reasons(HELLO("\"queue_look\":false", ",\"refused\":{\"queue_look\":\"No.\"}"),
		       SIGHT_SYNS, "queue_look: No.");
	expect_reasons(HELLO("\"queue_iterator\":false", ",\"refused\":{\"queue_iterator\":\"No.\"}"),
		       SIGHT_SYNS, "queue_look: No.");
	expect_reasons(HELLO("\"kfree_skb\":false,\"overflow_reason\":false",
			     ",\"refused\":{\"overflow_reason\":\"Old.\"}"),
		       SIGHT_ACKS, "kfree_skb: not granted, overflow_reason: Old.");
	expect_reasons(HELLO("\"queue_look\":false", ",\"refused\":{\"queue_look\":{\"error\":\"No.\","
			     "\"without\":\"Much.\"}}"), SIGHT_SYNS, "queue_look: No.");
	expect_reasons("{\"v\":1,\"type\":\"probe\",\"capabilities\":{\"queue_look\":{\"ok\":false,"
		       "\"error\":\"Here.\"}}}", SIGHT_SYNS, "queue_look: Here.");
}

static void test_counting(void **state)
{
	struct evidence e = taken(HELLO("\"queue_look\":false,\"kfree_skb\":true,"
					"\"overflow_reason\":true", ""));

	(void)state;
	assert_false(evidence_counts_syns(&e, true));
	assert_true(evidence_counts_acks(&e, false));
	/* The looks find them, without their clients. */
	e = taken(HELLO("\"queue_look\":true,\"kfree_skb\":false", ""));
	assert_true(evidence_counts_acks(&e, true));
	e = taken(HELLO("\"queue_look\":false,\"kfree_skb\":false", ""));
	assert_false(evidence_counts_acks(&e, true));
	assert_false(evidence_counts_all(&e, false));
	/* Those that are older than the daemon have no queue to look at. */
	e = taken(HELLO("\"listener_iterator\":false", ",\"schema\":\"1.5\""));
	assert_true(evidence_counts_syns(&e, true));
	assert_false(evidence_counts_syns(&e, false));
	assert_true(evidence_counts_all(&e, false));
	assert_false(evidence_counts_all(&e, true));
}

static void expect_note(const char *capabilities, const char *schema, const char *queues,
			const char *none)
{
	char line[300], text[320];
	struct evidence e;

	snprintf(line, sizeof(line), "{\"v\":1,\"type\":\"hello\",\"schema\":\"%s\",\"capabilities\":"
		 "{%s}}", schema, capabilities);
	e = taken(line);
	assert_string_equal(evidence_of_queues(&e, text, sizeof(text)), queues);
	assert_string_equal(evidence_no_listeners(&e, text, sizeof(text)), none);
}

/* From schema 1.5 on /proc shows who listens, though nobody can look at their queues. */
static void test_notes(void **state)
{
	(void)state;
	expect_note("\"queue_look\":true", "1.4", "", "no listeners");
	expect_note("\"listener_iterator\":false", "1.4",
		    "listeners from before the daemon not known: listener_iterator: not granted",
		    "no listeners known: those from before the daemon cannot be found here "
		    "(listener_iterator: not granted)");
	expect_note("\"listener_iterator\":false", "1.5",
		    "queues of listeners from before the daemon not shown: listener_iterator: not granted; "
		    "what they refuse is counted by namespace only", "no listeners");
	expect_note("\"listener_iterator\":false,\"function_hooks\":true", "1.5",
		    "queues of listeners from before the daemon not shown: listener_iterator: not granted",
		    "no listeners");
	expect_note("\"listener_iterator\":false,\"queue_look\":false,\"kfree_skb\":false", "1.10",
		    "queues not shown: queue_look: not granted; refused handshakes are counted by "
		    "namespace only", "no listeners");
}

/* Two feeds that see everything, each in its own way, lack nothing together. */
static void test_several_feeds(void **state)
{
	struct evidence hooks = taken(HELLO("\"queue_look\":false,\"function_hooks\":true", ""));
	struct evidence looks = taken(HELLO("\"queue_look\":true,\"function_hooks\":false", ""));
	struct evidence all = { 0 };

	(void)state;
	evidence_join(&all, &hooks);
	evidence_join(&all, &looks);
	assert_true(all.known);
	assert_int_equal(all.lacking, 0);
	looks = taken(HELLO("\"queue_look\":false", ",\"refused\":{\"queue_look\":\"No.\"}"));
	evidence_join(&all, &looks);
	assert_int_equal(all.lacking, LACKS(SYNS));
	assert_string_equal(all.reasons[CAPABILITY_LOOK], "No.");
}

/* ---- what hides behind what ---- */

static void add_line(struct explain *e, const char *line)
{
	struct record r = parsed(line);

	explain_add(e, &r);
	record_free(&r);
}

/* What is said of a sight after a hello and one handshake; "" for nothing. */
static char *said(const char *hello, const char *role, const char *outcome, const char *code,
		  const char *certainty, enum sight sight)
{
	struct explain *e = explain_new();
	struct buf text = { 0 };
	char line[600];
	bool any;

	assert_non_null(e);
	add_line(e, hello);
	snprintf(line, sizeof(line),
		 "{\"v\":1,\"type\":\"handshake\",\"netns\":1,\"role\":\"%s\",\"outcome\":\"%s\","
		 "\"local\":{\"addr\":\"10.0.0.1\",\"port\":1},\"remote\":{\"addr\":\"10.0.0.2\","
		 "\"port\":2},\"latency_ns\":5,\"retransmits\":0,\"cause\":{\"code\":\"%s\","
		 "\"certainty\":\"%s\",\"detail\":\"Why.\"}}",
		 role, outcome, code, certainty);
	add_line(e, line);
	assert_int_equal(explain_finish(e, NULL), 0);
	any = explain_unseen(e, sight, &text);
	assert_int_equal(any, text.len > 0);
	buf_mem(&text, "", 1);
	assert_false(text.failed);
	explain_free(e);
	return text.data;
}

static void test_what_may_hide(void **state)
{
	static const struct {
		const char *lacks, *role, *outcome, *code, *certainty;
		enum sight sight;
		const char *says; /* NULL: not that anything hides */
	} cases[] = {
		{ "queue_look", "active", "timeout", "no_answer", "probable", SIGHT_SYNS,
		  "accept_queue_full, descriptors_exhausted, syn_queue_full, syn_queue_three_quarters and "
		  "no_route_back may hide behind no_answer; " },
		/* Of a host elsewhere it is proven: no queue of this one. */
		{ "queue_look", "active", "timeout", "no_answer", "proven", SIGHT_SYNS, NULL },
		/* A client of ours that was not answered; not ours that did not answer. */
		{ "queue_look", "passive", "timeout", "no_answer", "probable", SIGHT_SYNS, NULL },
		{ "queue_look", "active", "cancelled", "application_cancelled", "proven", SIGHT_SYNS,
		  "may hide behind application_cancelled" },
		{ "queue_look", "active", "refused", "port_closed", "probable", SIGHT_SYNS, NULL },
		{ "kfree_skb", "passive", "established", "ack_lost", "probable", SIGHT_ACKS,
		  "accept_queue_full and client_reset may hide behind ack_lost; " },
		{ "neigh_timer_handler", "active", "unreachable", "icmp_unreachable", "probable",
		  SIGHT_NEIGHBOURS, "neighbour_failed may hide behind icmp_unreachable." },
		{ "neigh_timer_handler", "active", "unreachable", "icmp_unreachable", "proven",
		  SIGHT_NEIGHBOURS, NULL },
		{ "tcp_send_reset", "active", "refused", "port_closed", "probable",
		  SIGHT_RESETS_SENT, "filtered, listener_closed and port_reused may hide behind port_closed." },
		{ "tcp_send_reset", "active", "established", "segment_lost", "probable",
		  SIGHT_RESETS_SENT, "port_reused may hide behind segment_lost." },
		{ "tcp_receive_reset", "active", "refused", "port_closed", "probable",
		  SIGHT_RESETS_RECEIVED, "peer_reset and icmp_unreachable may hide behind port_closed." },
		{ "tcp_retransmit_skb", "active", "established", "segment_lost", "probable",
		  SIGHT_SYN_AGAIN, "syn_lost, synack_lost and slow_path may hide behind segment_lost." },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char hello[160], *text;

		snprintf(hello, sizeof(hello),
			 "{\"v\":1,\"type\":\"hello\",\"capabilities\":{\"%s\":false}}", cases[i].lacks);
		text = said(hello, cases[i].role, cases[i].outcome, cases[i].code,
			    cases[i].certainty, cases[i].sight);
		if (cases[i].says ? !strstr(text, cases[i].says) : strstr(text, "hide") != NULL)
			fail_msg("case %zu: %s", i, text);
		free(text);
		/* Nothing at all where it could be seen. */
		text = said(HELLO("\"queue_look\":true", ""), cases[i].role, cases[i].outcome,
			    cases[i].code, cases[i].certainty, cases[i].sight);
		assert_string_equal(text, "");
		free(text);
	}
}

/* Also where nothing is shown: what has no record cannot be there. */
static void test_what_is_missing(void **state)
{
	static const char hello[] = HELLO("\"queue_look\":false", ",\"refused\":{\"queue_look\":\"No.\"}");
	char *text = said(hello, "active", "refused", "port_closed", "proven", SIGHT_SYNS);

	(void)state;
	assert_string_equal(text, "Not seen on this host: SYNs that a listener refuses (queue_look: "
				  "No.). So a refused SYN of a client elsewhere is counted by namespace at "
				  "most.");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_what_is_lacking),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_counting),
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_several_feeds),
		cmocka_unit_test(test_what_may_hide),
		cmocka_unit_test(test_what_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
