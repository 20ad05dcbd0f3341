// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The model of explain: a feed may name any number of places and codes; what is not kept apart is counted, and said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/explain/render.h"
#include "cli/explain/sentences.h"
#include "cli/feed/containers.h"

#define PLACES 4096
#define OTHERS 256
#define LINES 10000

static void add(struct explain *e, unsigned int i, const char *code, const char *outcome)
{
	char line[800], error[160], cause[128] = "null";
	struct record r;

	if (code)
		snprintf(cause, sizeof(cause), "{\"code\":\"%s\",\"certainty\":\"proven\",\"detail\":\"Why %u.\"}", code, i);
	snprintf(line, sizeof(line),
		 "{\"v\":1,\"type\":\"handshake\",\"ts\":\"2026-11-20T10:00:00.%09uZ\",\"conn\":\"%016x\",\"role\":\"active\","
		 "\"outcome\":\"%s\",\"netns\":1,\"local\":{\"addr\":\"10.0.0.1\",\"port\":50000},"
		 "\"remote\":{\"addr\":\"10.1.%u.%u\",\"port\":443},\"latency_ns\":1000,\"retransmits\":0,"
		 "\"process\":{\"pid\":%u,\"comm\":\"c%u\",\"uid\":0},\"cause\":%s}",
		 i, i + 1, outcome, i / 256, i % 256, i + 1, i, cause);
	if (record_parse(line, strlen(line), &r, error, sizeof(error)) != RECORD_GOOD)
		fail_msg("%s: %s", line, error);
	explain_add(e, &r);
	record_free(&r);
}

static void test_places(void **state)
{
	struct explain *e = explain_new();
	const struct explain_cause *others;

	(void)state;
	for (unsigned int i = 0; i < LINES; i++)
		add(e, i, "no_answer", "timeout");
	add(e, 7, "no_answer", "timeout"); /* one that is kept apart stays so */
	assert_int_equal(explain_finish(e, NULL), 0);
	assert_int_equal(explain_count(e), PLACES + 1);
	assert_int_equal(explain_totals(e)->others, LINES - PLACES);
	others = explain_at(e, 0);
	assert_true(others->others);
	assert_false(others->has_at);
	assert_false(others->process.known);
	assert_int_equal(others->handshakes, LINES - PLACES);
	assert_string_equal(others->code, "no_answer");
	assert_string_equal(explain_at(e, 1)->addr, "10.1.0.7");
	assert_int_equal(explain_totals(e)->harmed, LINES + 1);
	explain_free(e);
}

/* Codes of a feed that makes them up. */
static void test_codes(void **state)
{
	struct explain *e = explain_new();
	uint64_t sum = 0;
	char code[32];

	(void)state;
	for (unsigned int i = 0; i < LINES; i++) {
		snprintf(code, sizeof(code), "code_%u", i);
		add(e, i, code, "timeout");
	}
	assert_int_equal(explain_finish(e, NULL), 0);
	assert_int_equal(explain_count(e), PLACES + OTHERS + 1);
	for (size_t i = 0; i < explain_count(e); i++)
		sum += explain_at(e, i)->handshakes;
	assert_int_equal(sum, LINES);
	assert_string_equal(explain_at(e, 0)->code, "unknown");
	assert_int_equal(explain_at(e, 0)->handshakes, LINES - PLACES - OTHERS);
	explain_free(e);
}

/* What is usual at a place that is not kept is not known: what was slow there is not timed. */
static void test_usual(void **state)
{
	struct explain *e = explain_new();

	(void)state;
	for (unsigned int i = 0; i < LINES; i++)
		add(e, i, NULL, "established");
	add(e, 1, "slow_path", "established");
	add(e, LINES - 1, "slow_path", "established");
	assert_int_equal(explain_finish(e, NULL), 0);
	assert_int_equal(explain_totals(e)->others, 0);
	assert_int_equal(explain_totals(e)->untimed, 1);
	explain_free(e);
}

#define MILLION (1U << 20) /* connections of one half; harms that are kept one by one */

/* Without its line: millions of them are to be quick. */
static void add_side(struct explain *e, unsigned int connection, enum role role, bool failed)
{
	char conn[17];
	struct record r = { .type = RECORD_HANDSHAKE, .type_name = "handshake", .ts = "2026-11-20T10:00:00.000000000Z",
			    .netns = 1 };

	snprintf(conn, sizeof(conn), "%016x", connection + 1);
	r.handshake = (struct record_handshake){
		.conn = conn, .netns = 1, .role = role, .outcome = failed ? OUTCOME_TIMEOUT : OUTCOME_ESTABLISHED,
		.local = { .addr = "10.0.0.1", .port = 443 }, .remote = { .addr = "10.0.0.2", .port = 443 },
		.latency_ns = 1000 + connection % 7, .retransmit_wait_ns = 0,
	};
	if (failed)
		r.handshake.cause = (struct cause){ "no_answer", "probable", "Why." };
	explain_add(e, &r);
}

/* Of very many failures the older are counted by what they have in common: no number is another for it. */
static void test_many_failures(void **state)
{
	const unsigned int count = 3 * MILLION / 2;
	struct explain *e = explain_new();
	const struct explain_cause *c;
	uint64_t lost = 0;

	(void)state;
	for (unsigned int i = 0; i < count; i++) {
		add_side(e, i, ROLE_PASSIVE, true);
		lost += 1000 + i % 7;
	}
	/* The other sides of one that is counted already, and of the last. */
	add_side(e, 0, ROLE_ACTIVE, true);
	add_side(e, count - 1, ROLE_ACTIVE, true);
	assert_int_equal(explain_finish(e, NULL), 0);
	assert_int_equal(explain_totals(e)->handshakes, count);
	assert_int_equal(explain_totals(e)->harmed, count);
	assert_int_equal(explain_totals(e)->failed, count);
	assert_int_equal(explain_totals(e)->time_lost_ns, lost);
	assert_int_equal(explain_totals(e)->forgotten, 0);
	c = explain_at(e, 0);
	assert_int_equal(c->failed, count);
	assert_int_equal(c->probable, count);
	assert_int_equal(c->outcomes[OUTCOME_TIMEOUT], count);
	assert_int_equal(c->time_lost_ns, lost);
	explain_free(e);
}

static void take_note(void *ctx, const char *sentence)
{
	buf_str(ctx, sentence);
}

/* Of very many connections the oldest are forgotten, and how many had one side only is said. */
static void test_many_connections(void **state)
{
	const struct explain_source source = { .recorded = true };
	const struct input_report report = { 0 };
	struct explain *e = explain_new();
	struct buf text = { 0 };

	(void)state;
	for (unsigned int i = 0; i < 2 * MILLION - 10; i++)
		add_side(e, i, ROLE_PASSIVE, false);
	add_side(e, 5, ROLE_ACTIVE, false); /* of the older half: one handshake */
	assert_int_equal(explain_totals(e)->handshakes, 2 * MILLION - 10);
	for (unsigned int i = 2 * MILLION - 10; i < 3 * MILLION + 10; i++)
		add_side(e, i, ROLE_PASSIVE, false);
	assert_int_equal(explain_totals(e)->forgotten, 2 * MILLION - 2); /* all but it, in either half */
	add_side(e, 6, ROLE_ACTIVE, false); /* too late */
	assert_int_equal(explain_totals(e)->handshakes, 3 * MILLION + 11);
	assert_int_equal(explain_finish(e, NULL), 0);
	explain_json(e, &source, &report, &text);
	buf_mem(&text, "", 1);
	assert_non_null(strstr(text.data, ",\"forgotten\":2097150,"));
	buf_clear(&text);
	assert_true(explain_notes(e, &report, take_note, &text));
	buf_mem(&text, "", 1);
	assert_non_null(strstr(text.data, "2097150 connections forgotten: "));
	buf_free(&text);
	explain_free(e);
}

/* Of very many containers those beyond the first have no name, and how many records named them is said. */
static void test_many_containers(void **state)
{
	const struct explain_source source = { .recorded = true };
	const struct input_report report = { 0 };
	struct explain *e = explain_new();
	struct buf text = { 0 };
	char id[65];

	(void)state;
	for (unsigned int i = 0; i < CONTAINERS_MAX + 2; i++) {
		struct record r = { .type = RECORD_LISTENER, .type_name = "listener", .netns = 1 };

		snprintf(id, sizeof(id), "%064x", i);
		r.listener = (struct record_listener){
			.netns = 1, .socket = "1", .local = { .addr = "0.0.0.0", .port = 443 }, .owner = { true, i + 1, 0, "nginx" },
			.container = { .id = id },
		};
		explain_add(e, &r);
	}
	assert_int_equal(explain_finish(e, NULL), 0);
	explain_json(e, &source, &report, &text);
	assert_non_null(strstr(buf_text(&text), ",\"containers_omitted\":2"));
	buf_clear(&text);
	assert_true(explain_notes(e, &report, take_note, &text));
	assert_non_null(strstr(buf_text(&text), "2 records of containers that are too many to be kept: "));
	buf_free(&text);
	explain_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_usual),
		cmocka_unit_test(test_many_failures),
		cmocka_unit_test(test_many_connections),
		cmocka_unit_test(test_many_containers),
	};

	return cmocka_run_group_tests_name("explain_bounds", tests, NULL, NULL);
}
