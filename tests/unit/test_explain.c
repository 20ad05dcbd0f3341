// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The model of explain: what counts as one handshake, whose matter it is, and what is worst. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/explain/model.h"

#define SECOND 1000000000ULL

/* A handshake of 10.0.0.1:5000x with 10.0.0.2:443, as one of them reports it. */
struct reported {
	const char *conn; /* 16 digits, or NULL */
	bool passive;
	const char *outcome;
	const char *code; /* NULL: no cause */
	bool probable;
	uint64_t latency_ns, wait_ns; /* NS_UNKNOWN: null */
	unsigned retransmits;
	unsigned netns; /* 0: 1 */
	const char *comm;
	const char *detail;
	unsigned second; /* of ts */
	const char *remote;
};

static void add_line(struct explain *e, const char *line)
{
	struct record r;
	char error[160];

	if (record_parse(line, strlen(line), &r, error, sizeof(error)) != RECORD_GOOD)
		fail_msg("%s: %s", line, error);
	explain_add(e, &r);
	record_free(&r);
}

static const char *number(char *out, size_t size, uint64_t ns)
{
	snprintf(out, size, "%llu", (unsigned long long)ns);
	return ns == NS_UNKNOWN ? "null" : out;
}

static void add(struct explain *e, const struct reported *t)
{
	char line[1200], cause[300] = "", process[100] = "", latency[24], wait[24];
	const char *server = t->remote ? t->remote : "10.0.0.2";

	if (t->code)
		snprintf(cause, sizeof(cause),
			 ",\"cause\":{\"code\":\"%s\",\"certainty\":\"%s\",\"detail\":\"%s\"}",
			 t->code, t->probable ? "probable" : "proven",
			 t->detail ? t->detail : "Why.");
	if (t->comm)
		snprintf(process, sizeof(process),
			 ",\"process\":{\"pid\":7,\"comm\":\"%s\",\"uid\":5}", t->comm);
	snprintf(line, sizeof(line),
		 "{\"v\":1,\"type\":\"handshake\",\"seq\":2,"
		 "\"ts\":\"2026-11-20T10:47:%02u.000000000Z\",%s%s%s\"netns\":%u,\"role\":\"%s\","
		 "\"outcome\":\"%s\",\"local\":{\"addr\":\"%s\",\"port\":%d},"
		 "\"remote\":{\"addr\":\"%s\",\"port\":%d},\"latency_ns\":%s,\"retransmits\":%u,"
		 "\"retransmit_wait_ns\":%s%s%s}",
		 t->second, t->conn ? "\"conn\":\"" : "", t->conn ? t->conn : "",
		 t->conn ? "\"," : "", t->netns ? t->netns : 1, t->passive ? "passive" : "active",
		 t->outcome, t->passive ? server : "10.0.0.1", t->passive ? 443 : 50000,
		 t->passive ? "10.0.0.1" : server, t->passive ? 50000 : 443,
		 number(latency, sizeof(latency), t->latency_ns), t->retransmits,
		 number(wait, sizeof(wait), t->wait_ns), process, cause);
	add_line(e, line);
}

static void add_overflow(struct explain *e, unsigned netns, const char *listener, const char *stage,
			 const char *action, unsigned count, const char *certainty)
{
	char line[800], at[100] = "null";

	if (listener)
		snprintf(at, sizeof(at), "{\"addr\":\"%s\",\"port\":443}", listener);
	snprintf(line, sizeof(line),
		 "{\"v\":1,\"type\":\"overflow\",\"ts\":\"2026-11-20T10:47:30.000000000Z\","
		 "\"stage\":\"%s\",\"queue\":\"accept\",\"action\":\"%s\",\"count\":%u,"
		 "\"cause\":{\"code\":\"accept_queue_full\",\"certainty\":\"%s\",\"detail\":\"Full.\"},"
		 "\"netns\":%u,\"listener\":%s,\"process\":{\"pid\":9,\"comm\":\"nginx\",\"uid\":0},"
		 "\"accept_queue\":{\"len\":17,\"max\":16}}",
		 stage, action, count, certainty, netns, at);
	add_line(e, line);
}

static void add_listener(struct explain *e, unsigned netns, const char *addr, const char *more)
{
	char line[600];

	snprintf(line, sizeof(line),
		 "{\"v\":1,\"type\":\"listener\",\"event\":\"sample\",\"socket\":\"0\",\"netns\":%u,"
		 "\"local\":{\"addr\":\"%s\",\"port\":443},\"backlog\":128%s}", netns, addr, more);
	add_line(e, line);
}

static struct explain *begin(void)
{
	struct explain *e = explain_new();

	assert_non_null(e);
	return e;
}

static const struct explain_cause *finish(struct explain *e, size_t causes)
{
	assert_int_equal(explain_finish(e, NULL), 0);
	assert_int_equal(explain_count(e), causes);
	return causes ? explain_at(e, 0) : NULL;
}

static void test_nothing_harmed(void **state)
{
	struct explain *e = begin();

	(void)state;
	add(e, &(struct reported){ .outcome = "established", .latency_ns = 1000 });
	add_line(e, "{\"v\":1,\"type\":\"loss\",\"what\":\"handshake\",\"why\":\"ring_full\","
		    "\"count\":7}");
	add_line(e, "{\"v\":1,\"type\":\"weather\"}");
	finish(e, 0);
	assert_int_equal(explain_totals(e)->handshakes, 1);
	assert_int_equal(explain_totals(e)->harmed, 0);
	assert_int_equal(explain_totals(e)->lost_records, 7);
	assert_string_equal(explain_totals(e)->from, "2026-11-20T10:47:00.000000000Z");
	explain_free(e);
	explain_free(NULL);
}

/* A failure costs its latency, a retransmission its wait; what is not known is not 0. */
static void test_time_lost(void **state)
{
	static const struct reported reported[] = {
		{ .outcome = "timeout", .code = "no_answer", .latency_ns = 5 * SECOND,
		  .wait_ns = 3 * SECOND, .retransmits = 2 },
		{ .outcome = "timeout", .code = "no_answer", .latency_ns = NS_UNKNOWN,
		  .wait_ns = 3 * SECOND, .retransmits = 2 },
		{ .outcome = "timeout", .code = "no_answer", .latency_ns = NS_UNKNOWN },
		{ .outcome = "established", .code = "syn_lost", .latency_ns = 2 * SECOND,
		  .wait_ns = SECOND, .retransmits = 1 },
		{ .outcome = "established", .code = "syn_lost", .latency_ns = 2 * SECOND,
		  .wait_ns = NS_UNKNOWN, .retransmits = 1, .probable = true },
	};
	struct explain *e = begin();
	const struct explain_cause *c;

	(void)state;
	for (size_t i = 0; i < sizeof(reported) / sizeof(reported[0]); i++)
		add(e, &reported[i]);
	c = finish(e, 2);
	assert_string_equal(c->code, "no_answer");
	assert_int_equal(c->by, CAUSE_BY_DESTINATION);
	assert_string_equal(c->addr, "10.0.0.2");
	assert_int_equal(c->port, 443);
	assert_int_equal(c->failed, 3);
	assert_int_equal(c->time_lost_ns, 8 * SECOND);
	assert_int_equal(c->untimed, 1);
	assert_int_equal(c->outcomes[OUTCOME_TIMEOUT], 3);
	c = explain_at(e, 1);
	assert_int_equal(c->failed, 0);
	assert_int_equal(c->time_lost_ns, SECOND);
	assert_int_equal(c->untimed, 1);
	assert_int_equal(c->proven, 1);
	assert_int_equal(c->probable, 1);
	assert_int_equal(explain_totals(e)->time_lost_ns, 9 * SECOND);
	assert_int_equal(explain_totals(e)->failed, 3);
	explain_free(e);
}

/* Of a slow one only what it took beyond the usual there; elsewhere is no measure. */
static void test_slow_path(void **state)
{
	static const uint64_t usual[] = { 900, 1000, 1100 };
	struct reported slow = { .outcome = "established", .code = "slow_path", .latency_ns = 5000 };
	struct explain *e = begin();
	const struct explain_cause *c;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		add(e, &(struct reported){ .outcome = "established", .latency_ns = usual[i] });
	add(e, &(struct reported){ .outcome = "established", .latency_ns = NS_UNKNOWN });
	add(e, &slow);
	slow.latency_ns = 700; /* with a small --slow; not less than nothing */
	add(e, &slow);
	slow.remote = "10.0.0.3";
	add(e, &slow);
	slow.remote = NULL;
	slow.passive = true; /* the same address and port, but as a listener */
	add(e, &slow);
	c = finish(e, 3);
	assert_int_equal(c->time_lost_ns, 4000);
	assert_int_equal(c->handshakes, 2);
	assert_int_equal(c->untimed, 0);
	for (size_t i = 1; i < 3; i++) {
		assert_int_equal(explain_at(e, i)->time_lost_ns, 0);
		assert_int_equal(explain_at(e, i)->untimed, 1);
	}
	explain_free(e);
}

/* Both sides of a connection are one handshake: the one that saw more says why, the one that waited how long. */
static void test_both_sides(void **state)
{
	static const char conn[] = "00000000000000aa";
	const struct reported active = { .conn = conn, .outcome = "established", .code = "syn_lost",
				     .latency_ns = 4 * SECOND, .wait_ns = 3 * SECOND,
				     .retransmits = 2, .netns = 2, .comm = "curl" };
	const struct reported passive = { .conn = conn, .passive = true, .outcome = "timeout",
				      .code = "accept_queue_full", .probable = true,
				      .latency_ns = 5 * SECOND, .comm = "nginx" };

	(void)state;
	for (int order = 0; order < 2; order++) {
		struct explain *e = begin();
		const struct explain_cause *c;

		add(e, order ? &active : &passive);
		add(e, order ? &passive : &active);
		c = finish(e, 1);
		assert_string_equal(c->code, "accept_queue_full");
		assert_int_equal(c->by, CAUSE_BY_LISTENER);
		assert_string_equal(c->process.comm, "nginx");
		assert_int_equal(c->handshakes, 1);
		assert_int_equal(c->probable, 1);
		assert_int_equal(c->failed, 1);
		assert_int_equal(c->outcomes[OUTCOME_TIMEOUT], 1);
		assert_int_equal(c->time_lost_ns, 3 * SECOND);
		assert_int_equal(explain_totals(e)->handshakes, 1);
		assert_int_equal(explain_totals(e)->harmed, 1);
		explain_free(e);
	}
}

/* What may be the other side's doing gives way to what that side knows. */
static void test_the_side_that_knows(void **state)
{
	static const char *const pairs[][2] = {
		{ "client_reset", "application_cancelled" }, { "segment_lost", "syn_lost" },
		{ "no_answer", "synack_lost" },		     { "unknown", "no_answer" },
		{ "peer_reset", "accept_queue_full" },	     { "slow_path", "ack_lost" },
	};

	(void)state;
	for (size_t i = 0; i < 4 * sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct explain *e = begin();
		struct reported t = { .conn = "00000000000000ad", .outcome = "reset" };

		/* In either order, whichever side says which, and however sure. */
		for (int side = 0; side < 2; side++) {
			int which = side ^ (int)(i & 1);

			t.code = pairs[i / 4][which];
			t.passive = which ^ (i >> 1 & 1);
			t.probable = which == 1;
			add(e, &t);
		}
		assert_string_equal(finish(e, 1)->code, pairs[i / 4][1]);
		explain_free(e);
	}
}

static void test_one_side_unharmed(void **state)
{
	struct explain *e = begin();
	struct reported t = { .conn = "00000000000000ab", .outcome = "established", .latency_ns = 9 };

	(void)state;
	add(e, &t);
	t.passive = true;
	t.code = "synack_lost";
	t.retransmits = 1;
	t.wait_ns = SECOND;
	add(e, &t);
	finish(e, 1);
	assert_int_equal(explain_totals(e)->handshakes, 1);
	assert_int_equal(explain_totals(e)->harmed, 1);
	explain_free(e);
}

/* The same ports and no SYN (no_port), or a new attempt: another handshake. */
static void test_conn_again(void **state)
{
	struct explain *e = begin();
	struct reported t = { .conn = "00000000000000ac", .outcome = "no_port",
			  .code = "ports_exhausted", .latency_ns = 10, .comm = "ab" };
	const struct explain_cause *c;

	(void)state;
	add(e, &t);
	add(e, &t);
	t.conn = "no number";
	add(e, &t);
	t.conn = NULL;
	t.remote = "10.0.0.3";
	add(e, &t);
	c = finish(e, 1);
	assert_int_equal(c->handshakes, 4);
	assert_int_equal(c->by, CAUSE_BY_SOURCE);
	assert_false(c->has_at);
	assert_string_equal(c->process.comm, "ab");
	assert_int_equal(c->process.uid, 5);
	explain_free(e);
}

/* An address of this host belongs to the listener that takes it. */
static void test_wildcard_listener(void **state)
{
	static const struct reported t = { .passive = true, .outcome = "timeout", .retransmits = 5,
				       .code = "accept_queue_full", .latency_ns = SECOND };
	struct explain *e = begin();
	const struct explain_cause *c;

	(void)state;
	add(e, &t);
	add_listener(e, 1, "::", ",\"oldest_wait_ns\":3000000000");
	add_listener(e, 1, "::", ",\"oldest_wait_ns\":2000000000");
	add_listener(e, 2, "0.0.0.0", "");
	add_overflow(e, 1, "::", "ack", "dropped", 3, "proven");
	add_overflow(e, 1, "::", "syn", "dropped", 40, "probable");
	add_overflow(e, 1, "::", "syn", "cookie", 5, "proven");
	c = finish(e, 1);
	assert_string_equal(c->addr, "::");
	assert_int_equal(c->handshakes, 1);
	assert_int_equal(c->refused.syn, 40);
	assert_int_equal(c->refused.ack, 3);
	assert_int_equal(c->refused.cookie, 5);
	assert_int_equal(c->refused.proven, 8);
	assert_int_equal(c->refused.probable, 40);
	assert_int_equal(c->limit, 16);
	assert_int_equal(c->oldest_wait_ns, 3 * SECOND);
	assert_string_equal(c->process.comm, "nginx");
	assert_string_equal(c->evidence, "Full.");
	explain_free(e);
}

/* What a daemon before it saw listen may have gone meanwhile: it is not beside those of now. */
static void test_group_after_a_restart(void **state)
{
	static const struct reported t = { .passive = true, .outcome = "timeout", .retransmits = 5,
				       .code = "accept_queue_full", .latency_ns = SECOND };

	(void)state;
	for (int again = 0; again < 2; again++) {
		struct explain *e = begin();
		struct buf said = { 0 };
		const struct explain_cause *c;

		add(e, &t);
		add_listener(e, 1, "10.0.0.2", ",\"accept_queue\":{\"len\":17,\"max\":16,\"peak\":17}");
		if (again)
			add_line(e, "{\"v\":1,\"type\":\"hello\",\"ts\":\"2026-11-20T10:48:00.000000000Z\"}");
		add_line(e, "{\"v\":1,\"type\":\"listener\",\"event\":\"sample\",\"socket\":\"1\",\"netns\":1,"
			    "\"local\":{\"addr\":\"10.0.0.2\",\"port\":443},\"backlog\":16,"
			    "\"accept_queue\":{\"len\":0,\"max\":16,\"peak\":0}}");
		c = finish(e, 1);
		assert_non_null(c->group);
		assert_int_equal(group_say(&said, c->group), !again);
		buf_free(&said);
		explain_free(e);
	}
}

static void test_listener_that_does_not_take_it(void **state)
{
	static const struct reported t = { .passive = true, .outcome = "timeout", .retransmits = 5,
				       .code = "accept_queue_full", .latency_ns = SECOND };
	struct explain *e = begin();

	(void)state;
	add(e, &t);
	add_listener(e, 1, "::", ",\"v6only\":true");
	add_listener(e, 1, "10.0.0.9", "");
	assert_string_equal(finish(e, 1)->addr, "10.0.0.2");
	explain_free(e);
	e = begin();
	/* The most specific one. */
	add(e, &t);
	add_listener(e, 1, "::", "");
	add_listener(e, 1, "0.0.0.0", "");
	assert_string_equal(finish(e, 1)->addr, "0.0.0.0");
	explain_free(e);
}

/* A client elsewhere on this host saw the address only: whose it is must be the only answer. */
static void test_refused_client_of_another_namespace(void **state)
{
	static const struct reported t = { .outcome = "timeout", .code = "accept_queue_full",
				       .latency_ns = SECOND, .netns = 5, .comm = "curl" };

	(void)state;
	for (unsigned listeners = 1; listeners <= 2; listeners++) {
		struct explain *e = begin();
		const struct explain_cause *c;

		add(e, &t);
		for (unsigned ns = 1; ns <= listeners; ns++)
			add_overflow(e, ns, "0.0.0.0", "syn", "dropped", 1, "proven");
		c = finish(e, listeners == 1 ? 1 : 3);
		assert_int_equal(c->failed, 1);
		assert_int_equal(c->netns, listeners == 1 ? 1 : 5);
		assert_string_equal(c->addr, listeners == 1 ? "0.0.0.0" : "10.0.0.2");
		/* Never the client's. */
		if (listeners == 1)
			assert_string_equal(c->process.comm, "nginx");
		else
			assert_false(c->process.known);
		explain_free(e);
	}
}

static void test_overflows_only(void **state)
{
	struct explain *e = begin();
	const struct explain_cause *c;

	(void)state;
	add_overflow(e, 1, "0.0.0.0", "syn", "dropped", 2, "proven");
	add_overflow(e, 1, NULL, "syn", "dropped", 9, "probable");
	c = finish(e, 2);
	assert_int_equal(c->refused.syn, 9);
	assert_false(c->has_at);
	assert_int_equal(c->handshakes, 0);
	assert_int_equal(explain_totals(e)->harmed, 0);
	explain_free(e);
}

static void test_rank(void **state)
{
	static const struct reported reported[] = {
		{ .outcome = "established", .code = "syn_lost", .retransmits = 1,
		  .wait_ns = 100 * SECOND, .remote = "10.0.0.4" },
		{ .outcome = "refused", .code = "port_closed", .latency_ns = 1, .remote = "10.0.0.5" },
		{ .outcome = "refused", .code = "port_closed", .latency_ns = 1, .remote = "10.0.0.6" },
		{ .outcome = "refused", .code = "port_closed", .latency_ns = 1, .remote = "10.0.0.6" },
		{ .outcome = "timeout", .code = "no_answer", .latency_ns = 5, .remote = "10.0.0.7" },
	};
	static const char *const order[] = { "10.0.0.6", "10.0.0.7", "10.0.0.5", "10.0.0.4" };
	struct explain *e = begin();

	(void)state;
	for (size_t i = 0; i < sizeof(reported) / sizeof(reported[0]); i++)
		add(e, &reported[i]);
	finish(e, 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(explain_at(e, i)->addr, order[i]);
	explain_free(e);
}

static void test_newest_evidence(void **state)
{
	struct reported t = { .outcome = "refused", .code = "port_closed", .comm = "a" };
	struct explain *e = begin();
	const struct explain_cause *c;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		t.second = (unsigned[]){ 20, 40, 30 }[i];
		t.detail = (const char *[]){ "First.", "Last.", "Between." }[i];
		add(e, &t);
	}
	c = finish(e, 1);
	assert_string_equal(c->evidence, "Last.");
	assert_string_equal(c->first, "2026-11-20T10:47:20.000000000Z");
	assert_string_equal(c->last, "2026-11-20T10:47:40.000000000Z");
	explain_free(e);
}

/* Of an older daemon: harmed, but nobody said why. Of a newer one: its word is kept. */
static void test_other_daemons(void **state)
{
	struct explain *e = begin();
	const struct explain_cause *c;

	(void)state;
	add(e, &(struct reported){ .outcome = "timeout", .latency_ns = SECOND });
	add(e, &(struct reported){ .outcome = "postponed", .latency_ns = SECOND, .code = "gremlins" });
	c = finish(e, 1);
	assert_string_equal(c->code, "gremlins");
	assert_null(c->row);
	assert_int_equal(c->outcomes[OUTCOMES], 1);
	assert_int_equal(explain_totals(e)->undiagnosed, 1);
	assert_int_equal(explain_totals(e)->harmed, 2);
	assert_int_equal(explain_totals(e)->failed, 2);
	explain_free(e);
}

static void test_whose_feed(void **state)
{
#define HELLO(host, boot) \
	"{\"v\":1,\"type\":\"hello\",\"host\":\"" host "\",\"boot_id\":" boot "}"
	struct explain *e = begin();

	(void)state;
	add_line(e, HELLO("a", "\"1\""));
	add_line(e, HELLO("a", "\"1\""));
	assert_true(explain_totals(e)->has_host);
	assert_false(explain_totals(e)->mixed);
	add_line(e, HELLO("a", "\"2\""));
	assert_true(explain_totals(e)->mixed);
	explain_free(e);
}

/* A side of a connection that NAT gave other addresses: by host-a its client, by host-b its server. */
static void add_side(struct explain *e, uint32_t host, const char *conn, const char *isn, int port, unsigned second)
{
	bool passive = host;
	char line[700];
	struct record r;
	char error[160];

	snprintf(line, sizeof(line),
		 "{\"v\":1,\"type\":\"handshake\",\"ts\":\"2026-11-20T10:47:%02u.000000000Z\",\"mono_ns\":%u000000000,\"conn\":\"%s\","
		 "\"client_isn\":\"%s\",\"netns\":1,\"role\":\"%s\",\"outcome\":\"%s\",\"local\":{\"addr\":\"10.%u.0.1\",\"port\":%d},"
		 "\"remote\":{\"addr\":\"10.%u.0.2\",\"port\":%d},\"latency_ns\":3000000000,\"retransmits\":1,"
		 "\"retransmit_wait_ns\":1000000000,\"cause\":{\"code\":\"%s\",\"certainty\":\"proven\",\"detail\":\"Why.\"}}",
		 second, second + 1, conn, isn, passive ? "passive" : "active", passive ? "overflow" : "timeout", host,
		 passive ? 8080 : port, host, passive ? port : 80, passive ? "accept_queue_full" : "no_answer");
	if (record_parse(line, strlen(line), &r, error, sizeof(error)) != RECORD_GOOD)
		fail_msg("%s: %s", line, error);
	r.host = passive ? "host-b" : "host-a";
	r.host_number = host;
	explain_add(e, &r);
	record_free(&r);
}

static void check_sides(struct explain *e, unsigned handshakes)
{
	assert_int_equal(explain_finish(e, NULL), 0);
	assert_int_equal(explain_totals(e)->handshakes, handshakes);
	assert_int_equal(explain_totals(e)->harmed, handshakes);
	explain_free(e);
}

/* Where NAT changed `conn`, the client's ISN joins both sides: those of two hosts, about the same time. */
static void test_sides_by_isn(void **state)
{
	static const char a[] = "00000000000000aa", b[] = "00000000000000bb";
	struct explain *e = begin();

	(void)state;
	add_side(e, 0, a, "0badcafe", 5000, 10);
	add_side(e, 1, b, "0badcafe", 5000, 12);
	check_sides(e, 1);
	e = begin();
	add_side(e, 0, a, "0badcafe", 5000, 10);
	add_side(e, 1, b, "0badcaff", 5000, 12); /* another connection */
	check_sides(e, 2);
	e = begin();
	add_side(e, 0, a, "0badcafe", 5000, 10);
	add_side(e, 1, b, "0badcafe", 5001, 12); /* no port in common: by chance */
	check_sides(e, 2);
	e = begin();
	add_side(e, 0, a, "0badcafe", 5000, 10);
	add_side(e, 1, b, "0badcafe", 5000, 12);
	add_side(e, 0, "00000000000000cc", "0badcafe", 5000, 14); /* a third */
	check_sides(e, 2);
	e = begin();
	add_side(e, 0, a, "0badcafe", 5000, 10);
	add_side(e, 0, b, "0badcafe", 5000, 12); /* the same side of another */
	check_sides(e, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sides_by_isn),
		cmocka_unit_test(test_nothing_harmed),
		cmocka_unit_test(test_time_lost),
		cmocka_unit_test(test_slow_path),
		cmocka_unit_test(test_both_sides),
		cmocka_unit_test(test_the_side_that_knows),
		cmocka_unit_test(test_one_side_unharmed),
		cmocka_unit_test(test_conn_again),
		cmocka_unit_test(test_wildcard_listener),
		cmocka_unit_test(test_group_after_a_restart),
		cmocka_unit_test(test_listener_that_does_not_take_it),
		cmocka_unit_test(test_refused_client_of_another_namespace),
		cmocka_unit_test(test_overflows_only),
		cmocka_unit_test(test_rank),
		cmocka_unit_test(test_newest_evidence),
		cmocka_unit_test(test_other_daemons),
		cmocka_unit_test(test_whose_feed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
