// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The CLI's record: what a line says, what it lacks, and lines that are no records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/types.h>

#include "bpf/event.h"
#include "cli/feed/parsed_record.h"

#define COMMON "\"v\":1,\"seq\":7,\"ts\":\"2026-11-20T10:47:46.123456789Z\",\"mono_ns\":123,"
#define ENDS                                                                                  \
	"\"local\":{\"addr\":\"10.0.0.1\",\"port\":54321},"                                   \
	"\"remote\":{\"addr\":\"2001:db8::1\",\"port\":80}"
#define HANDSHAKE COMMON "\"type\":\"handshake\",\"role\":\"active\",\"outcome\":\"refused\"," ENDS

static struct record parse(const char *line)
{
	struct record r;
	char error[160] = "";
	char *copy = malloc(strlen(line)); /* not terminated: nothing may read beyond */

	assert_non_null(copy);
	memcpy(copy, line, strlen(line));
	if (record_parse(copy, strlen(line), &r, error, sizeof(error)) != RECORD_GOOD)
		fail_msg("%s: %s", line, error);
	free(copy);
	return r;
}

static void test_whole_handshake(void **state)
{
	struct record r = parse(
		"{" HANDSHAKE ",\"errno\":111,\"errno_name\":\"ECONNREFUSED\",\"family\":\"ipv4\","
		"\"latency_ns\":40123456,\"retransmits\":2,\"retransmit_wait_ns\":3000000000,"
		"\"fastopen\":true,\"syncookie\":false,\"simultaneous\":true,\"partial\":false,"
		"\"accept_queue\":{\"len\":3,\"max\":128},"
		"\"process\":{\"pid\":42,\"comm\":\"a\\u001bb\",\"uid\":0},"
		"\"cgroup\":{\"id\":123,\"path\":\"/system.slice\"},"
		"\"container\":{\"id\":\"0123456789abcdef\",\"runtime\":\"docker\"}}");
	const struct record_handshake *h = &r.handshake;

	(void)state;
	assert_int_equal(r.type, RECORD_HANDSHAKE);
	assert_int_equal(r.seq, 7);
	assert_string_equal(r.ts, "2026-11-20T10:47:46.123456789Z");
	assert_int_equal(h->role, ROLE_ACTIVE);
	assert_int_equal(h->outcome, OUTCOME_REFUSED);
	assert_string_equal(h->errno_name, "ECONNREFUSED");
	assert_string_equal(h->local.addr, "10.0.0.1");
	assert_int_equal(h->local.port, 54321);
	assert_false(h->local.ipv6);
	assert_true(h->local.numeric);
	assert_memory_equal(h->local.bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x01", 16);
	assert_true(h->remote.ipv6);
	assert_memory_equal(h->remote.bytes, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
	assert_int_equal(h->latency_ns, 40123456);
	assert_int_equal(h->retransmits, 2);
	assert_int_equal(h->retransmit_wait_ns, 3000000000);
	assert_int_equal(h->flags, HANDSHAKE_FASTOPEN | HANDSHAKE_SIMULTANEOUS);
	assert_true(h->has_queue);
	assert_int_equal(h->queue_len, 3);
	assert_int_equal(h->queue_max, 128);
	assert_true(h->has_process);
	assert_int_equal(h->pid, 42);
	assert_string_equal(h->comm, "a\033b");
	assert_string_equal(h->cgroup_path, "/system.slice");
	assert_string_equal(h->container.id, "0123456789abcdef");
	record_free(&r);
}

/* Null and absent are one to a reader: not known. Never zero. */
static void test_bare_handshake(void **state)
{
	static const char *const lines[] = {
		"{" HANDSHAKE "}",
		"{" HANDSHAKE ",\"errno\":null,\"errno_name\":null,\"latency_ns\":null,"
		"\"retransmit_wait_ns\":null,\"process\":null,\"cgroup\":null}",
		"{" HANDSHAKE ",\"cgroup\":{\"id\":0,\"path\":null},\"accept_queue\":{\"len\":1},"
		"\"process\":{\"pid\":1},\"container\":[]}",
		/* What cannot be is not known either. */
		"{" HANDSHAKE ",\"latency_ns\":-1,\"retransmits\":-3,\"retransmit_wait_ns\":1.5,"
		"\"process\":{\"pid\":\"1\",\"comm\":7},\"fastopen\":1,\"cgroup\":\"x\","
		"\"accept_queue\":{\"len\":1e99,\"max\":2}}",
		"{" HANDSHAKE ",\"latency_ns\":1e400,\"retransmit_wait_ns\":1e17}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct record r = parse(lines[i]);
		const struct record_handshake *h = &r.handshake;

		assert_null(h->errno_name);
		assert_true(h->latency_ns == NS_UNKNOWN);
		assert_true(h->retransmit_wait_ns == NS_UNKNOWN);
		assert_int_equal(h->retransmits, 0);
		assert_int_equal(h->flags, 0);
		assert_false(h->has_queue);
		assert_false(h->has_process);
		assert_null(h->cgroup_path);
		assert_null(h->container.id);
		record_free(&r);
	}
}

static void test_words_of_a_newer_daemon(void **state)
{
	struct record r = parse("{" COMMON "\"type\":\"handshake\",\"role\":\"relay\","
				"\"outcome\":\"postponed\",\"more\":{}," ENDS "}");

	(void)state;
	assert_int_equal(r.handshake.role, -1);
	assert_string_equal(r.handshake.role_name, "relay");
	assert_int_equal(r.handshake.outcome, -1);
	assert_string_equal(r.handshake.outcome_name, "postponed");
	record_free(&r);
	r = parse("{\"v\":1,\"type\":\"weather\"}");
	assert_int_equal(r.type, RECORD_OTHER);
	assert_string_equal(r.type_name, "weather");
	assert_int_equal(r.seq, 0);
	assert_null(r.ts);
	record_free(&r);
	record_free(&r);
}

static void test_addresses_that_are_none(void **state)
{
	struct record r = parse("{" COMMON "\"type\":\"handshake\",\"role\":\"active\","
				"\"outcome\":\"reset\","
				"\"local\":{\"addr\":\"fe80::1%eth0\",\"port\":0},"
				"\"remote\":{\"addr\":\"@host\",\"port\":65535}}");

	(void)state;
	assert_false(r.handshake.local.numeric);
	assert_true(r.handshake.local.ipv6);
	assert_false(r.handshake.remote.numeric);
	assert_int_equal(r.handshake.remote.port, 65535);
	record_free(&r);
}

static void test_other_types(void **state)
{
	struct record r;

	(void)state;
	r = parse("{" COMMON "\"type\":\"hello\",\"version\":\"0.1.0\",\"host\":\"h\","
		  "\"kernel\":\"6.1\",\"evidence\":null,\"filters\":{\"port\":\"80\"}} \r\t");
	assert_int_equal(r.type, RECORD_HELLO);
	assert_string_equal(r.hello.host, "h");
	assert_null(r.hello.evidence);
	assert_non_null(r.hello.filters);
	assert_null(r.hello.subscription);
	record_free(&r);
	r = parse("{" COMMON "\"type\":\"loss\",\"what\":\"handshake\",\"why\":\"ring_full\","
		  "\"count\":12}");
	assert_int_equal(r.type, RECORD_LOSS);
	assert_string_equal(r.loss.why, "ring_full");
	assert_int_equal(r.loss.count, 12);
	record_free(&r);
	r = parse("{" COMMON "\"type\":\"bye\",\"reason\":\"signal\",\"totals\":{\"handshake\":"
		  "{\"seen\":9,\"delivered\":5,\"filtered\":3,\"lost\":1}}}");
	assert_int_equal(r.type, RECORD_BYE);
	assert_true(r.bye.has_totals);
	assert_int_equal(r.bye.seen, 9);
	assert_int_equal(r.bye.filtered, 3);
	assert_int_equal(r.bye.lost, 1);
	record_free(&r);
	r = parse("{" COMMON "\"type\":\"bye\"}");
	assert_false(r.bye.has_totals);
	record_free(&r);
	r = parse("{" COMMON "\"type\":\"end\",\"ok\":false,\"error\":\"no\"}");
	assert_int_equal(r.type, RECORD_END);
	assert_false(r.end.ok);
	assert_string_equal(r.end.error, "no");
	record_free(&r);
}

#define RESET COMMON "\"type\":\"reset\",\"direction\":\"sent\",\"phase\":\"syn_recv\","        \
		     "\"cause\":\"invalid\"," ENDS
#define RETRANSMIT COMMON "\"type\":\"retransmit\",\"attempt\":2," ENDS

static void test_resets_and_retransmits(void **state)
{
	struct record r = parse("{" RESET ",\"reason\":null,\"detail\":\"Why.\",\"conn\":\"ab\","
				"\"process\":{\"pid\":42,\"comm\":\"x\",\"uid\":7}}");

	(void)state;
	assert_int_equal(r.type, RECORD_RESET);
	assert_true(r.reset.sent);
	assert_string_equal(r.reset.phase, "syn_recv");
	assert_string_equal(r.reset.cause, "invalid");
	assert_null(r.reset.reason);
	assert_string_equal(r.reset.detail, "Why.");
	assert_int_equal(r.reset.remote.port, 80);
	assert_true(r.reset.owner.known);
	assert_int_equal(r.reset.owner.uid, 7);
	record_free(&r);
	r = parse("{" RETRANSMIT ",\"segment\":\"syn_ack\",\"elapsed_ns\":3000000000,\"acked\":true,"
		  "\"process\":null}");
	assert_int_equal(r.type, RECORD_RETRANSMIT);
	assert_true(r.retransmit.syn_ack);
	assert_true(r.retransmit.acked);
	assert_int_equal(r.retransmit.attempt, 2);
	assert_int_equal(r.retransmit.elapsed_ns, 3000000000);
	assert_false(r.retransmit.owner.known);
	record_free(&r);
	r = parse("{" RETRANSMIT ",\"segment\":\"syn\",\"elapsed_ns\":null}");
	assert_false(r.retransmit.syn_ack);
	assert_false(r.retransmit.acked);
	assert_true(r.retransmit.elapsed_ns == NS_UNKNOWN);
	record_free(&r);
}

static void test_cause(void **state)
{
	struct record r = parse("{" HANDSHAKE ",\"conn\":\"00ab\",\"netns\":4026531840,"
				"\"inferred\":true,\"cause\":{\"code\":\"port_closed\","
				"\"certainty\":\"proven\",\"detail\":\"A RST.\"},"
				"\"process\":{\"pid\":4,\"comm\":\"x\"}}");

	(void)state;
	assert_string_equal(r.handshake.conn, "00ab");
	assert_int_equal(r.handshake.netns, 4026531840);
	assert_true(r.handshake.inferred);
	assert_string_equal(r.handshake.cause.code, "port_closed");
	assert_string_equal(r.handshake.cause.certainty, "proven");
	assert_string_equal(r.handshake.cause.detail, "A RST.");
	assert_true(r.handshake.uid == COUNT_UNKNOWN);
	record_free(&r);
	r = parse("{" HANDSHAKE ",\"cause\":null,\"inferred\":1,\"conn\":5}");
	assert_null(r.handshake.cause.code);
	assert_null(r.handshake.conn);
	assert_false(r.handshake.inferred);
	record_free(&r);
}

static void expect_bad(const char *line, size_t len, enum record_status status, const char *named)
{
	struct record r, untouched;
	char error[160] = "";

	memset(&r, 0x5a, sizeof(r));
	untouched = r;
	assert_int_equal(record_parse(line, len, &r, error, sizeof(error)), status);
	if (!strstr(error, named) || strchr(error, '\n'))
		fail_msg("%.80s: unhelpful: %s", line, error);
	assert_memory_equal(&r, &untouched, sizeof(r));
}

static void test_no_records(void **state)
{
	static const struct {
		const char *line, *named;
	} cases[] = {
		{ "", "no JSON object" },
		{ "garbage", "no JSON object" },
		{ "{", "no JSON object" },
		{ "{\"v\":1,\"type\":\"handshake\",\"se", "no JSON object" },
		{ "[1]", "no JSON object" },
		{ "1", "no JSON object" },
		{ "null", "no JSON object" },
		{ "\"x\"", "no JSON object" },
		{ "{\"v\":1,\"type\":\"x\"} {}", "no JSON object" },
		{ "{\"v\":1,\"type\":\"x\"}x", "no JSON object" },
		{ "{}", "\"v\"" },
		{ "{\"v\":\"1\",\"type\":\"x\"}", "\"v\"" },
		{ "{\"v\":1}", "\"type\"" },
		{ "{\"v\":1,\"type\":7}", "\"type\"" },
		{ "{\"v\":1,\"type\":\"handshake\"}", "handshake record needs: role" },
		{ "{" COMMON "\"type\":\"handshake\",\"role\":1,\"outcome\":\"reset\"," ENDS "}",
		  "role" },
		{ "{" COMMON "\"type\":\"handshake\",\"role\":\"active\",\"outcome\":\"reset\","
		  "\"local\":{\"addr\":\"::1\",\"port\":65536},\"remote\":{}}", "local" },
		{ "{\"v\":1,\"type\":\"loss\",\"what\":\"x\",\"why\":\"y\"}", "count" },
		{ "{" COMMON "\"type\":\"reset\",\"direction\":\"sent\"," ENDS "}", "phase" },
		{ "{\"v\":1,\"type\":\"reset\",\"direction\":\"sent\",\"phase\":\"none\","
		  "\"cause\":\"late\"}", "remote" },
		{ "{" RETRANSMIT "}", "segment" },
		{ "{\"v\":1,\"type\":\"retransmit\",\"attempt\":1,\"segment\":\"syn\"}", "local" },
	};
	char deep[4000];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_bad(cases[i].line, strlen(cases[i].line), RECORD_BAD, cases[i].named);
	expect_bad("\0\0\0", 3, RECORD_BAD, "no JSON object");
	memset(deep, '[', sizeof(deep));
	expect_bad(deep, sizeof(deep), RECORD_BAD, "no JSON object");
}

static void test_other_versions(void **state)
{
	static const struct {
		const char *line, *named;
	} cases[] = {
		{ "{\"v\":2,\"type\":\"handshake\"}", "version 2," },
		{ "{\"v\":0}", "version 0," },
		{ "{\"v\":1.5,\"type\":\"x\"}", "version 1.5," },
		{ "{\"v\":1e300,\"type\":\"x\"}", "version 1e+300," },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_bad(cases[i].line, strlen(cases[i].line), RECORD_FOREIGN, cases[i].named);
}

/* Every way a record can be cut off is no record, and reads nothing beyond its end. */
static void test_cut_anywhere(void **state)
{
	static const char line[] = "{" HANDSHAKE ",\"process\":{\"pid\":42,\"comm\":\"\\u00e9\"}}";
	struct record r;
	char error[160];

	(void)state;
	for (size_t len = 0; len < sizeof(line) - 1; len++) {
		char *copy = malloc(len + !len);

		assert_non_null(copy);
		memcpy(copy, line, len);
		assert_int_equal(record_parse(copy, len, &r, error, sizeof(error)), RECORD_BAD);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_handshake),
		cmocka_unit_test(test_bare_handshake),
		cmocka_unit_test(test_words_of_a_newer_daemon),
		cmocka_unit_test(test_addresses_that_are_none),
		cmocka_unit_test(test_other_types),
		cmocka_unit_test(test_resets_and_retransmits),
		cmocka_unit_test(test_cause),
		cmocka_unit_test(test_no_records),
		cmocka_unit_test(test_other_versions),
		cmocka_unit_test(test_cut_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
