// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* record_scan: it says of a line what record_parse() says, or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/event.h"
#include "cli/feed/record_scan.h"
#include "tests/unit/same_record.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define START(type) "{\"v\":1,\"type\":\"" type "\",\"seq\":42,\"ts\":\"2026-11-20T10:47:46.123456789Z\",\"mono_ns\":81234567890123"
#define ENDS ",\"local\":{\"addr\":\"10.0.0.7\",\"port\":443},\"remote\":{\"addr\":\"2001:db8::1\",\"port\":0}"
#define MIDDLE ",\"role\":\"passive\",\"outcome\":\"refused\",\"netns\":4026531840" ENDS

static const char *const scanned[] = {
	START("handshake") MIDDLE "}",
	START("handshake") MIDDLE ",\"conn\":\"c61c0aff51346a23\",\"client_isn\":null,\"latency_ns\":7000,\"retransmits\":2,"
		"\"retransmit_wait_ns\":null,\"fastopen\":true,\"syncookie\":false,\"partial\":null}",
	START("handshake") MIDDLE ",\"nat\":{\"addr\":\"no address\",\"port\":65535},\"deferred\":true,\"inferred\":true}",
	START("handshake") MIDDLE ",\"accept_queue\":{\"len\":3,\"max\":2},\"errno\":111,\"errno_name\":\"ECONNREFUSED\"}",
	START("handshake") MIDDLE ",\"accept_queue\":{\"len\":3},\"process\":{\"pid\":8,\"comm\":\"\"},\"container\":null}",
	START("handshake") MIDDLE ",\"accept_queue\":{\"max\":3},\"process\":{\"comm\":\"x\",\"uid\":null}}",
	START("handshake") MIDDLE ",\"accept_queue\":null,\"process\":null,\"cgroup\":{\"id\":1,\"path\":\"/a\"}}",
	START("handshake") MIDDLE ",\"cause\":{\"code\":\"port_closed\",\"certainty\":\"proven\",\"detail\":null,\"new\":[1]}}",
	START("handshake") MIDDLE ",\"container\":{\"runtime\":\"docker\",\"id\":\"0123\",\"pod_uid\":\"0\",\"name\":\"web\",\"pod\":\"cart\",\"namespace\":\"shop\"},\"cgroup\":{}}",
	START("handshake") MIDDLE ",\"new\":{\"a\":[{},[],-1.5e+3,0,\"\"],\"b\":[true,false,null]},\"\":1}",
	START("handshake") MIDDLE ",\"process\":{\"pid\":8,\"comm\":\"caf\xc3\xa9 \xff\",\"uid\":0}}",
	START("handshake") MIDDLE ",\"host\":\"a\",\"feed\":\"0123abcd\"}",
	"{\"v\":1,\"type\":\"handshake\",\"host\":\"a\",\"feed\":null,\"ts\":\"yesterday\",\"mono_ns\":null" MIDDLE "}",
	"{\"v\":1,\"type\":\"handshake\",\"mono_ns\":81234567890123456" MIDDLE ",\"seq\":9007199254740992}",
	START("accept") ENDS ",\"wait_ns\":12,\"evidence\":\"function\",\"process\":{\"pid\":8,\"comm\":\"a\",\"uid\":1}}",
	START("accept") ENDS "}",
};

static void test_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(scanned); i++) {
		struct record scan, whole;
		const char *field;
		char why[160];

		if (!record_scan(scanned[i], strlen(scanned[i]), NULL, &scan))
			fail_msg("not read: %s", scanned[i]);
		assert_null(scan.json);
		assert_int_equal(record_parse(scanned[i], strlen(scanned[i]), &whole, why, sizeof(why)), RECORD_GOOD);
		field = different_field(&scan, &whole);
		if (field)
			fail_msg("%s differs: %s", field, scanned[i]);
		record_free(&scan);
		record_free(&whole);
	}
}

/* What is no record, what another parser reads otherwise, and what is not as programs write it. */
static void test_left_to_the_parser(void **state)
{
	static const char *const lines[] = {
		"", "{", "}", "{}", START("handshake"), START("handshake") "}", START("handshake") MIDDLE, " " START("handshake") MIDDLE "}",
		START("handshake") MIDDLE ",}", START("handshake") MIDDLE "}}", START("handshake") MIDDLE ",\"a\":}",
		START("handshake") MIDDLE ",\"a\":[1,]}", START("handshake") MIDDLE ",\"a\":01}", START("handshake") MIDDLE ",\"a\":1.}",
		START("handshake") MIDDLE ",\"a\":tru}", START("handshake") MIDDLE ",\"a\":[[[[[[[[[[]]]]]]]]]]}",
		START("handshake") MIDDLE ", \"a\":1}", START("handshake") MIDDLE ",\"a\":\"\\u0041\"}",
		START("handshake") MIDDLE ",\"a\":\"\t\"}", START("handshake") MIDDLE ",\"conn\":\"a\\\"b\"}",
		START("handshake") MIDDLE ",\"conn\":1}", START("handshake") MIDDLE ",\"retransmits\":-1}",
		START("handshake") MIDDLE ",\"retransmits\":1.0}", START("handshake") MIDDLE ",\"latency_ns\":9007199254740993}",
		START("handshake") MIDDLE ",\"role\":\"active\"}", START("handshake") MIDDLE ",\"conn\":\"a\",\"conn\":\"b\"}",
		START("handshake") MIDDLE ",\"nat\":{\"addr\":\"10.0.0.1\"}}", START("handshake") MIDDLE ",\"cause\":\"a\"}",
		START("handshake") MIDDLE ",\"nat\":{\"addr\":\"10.0.0.1\",\"port\":65536}}",
		START("handshake") ",\"role\":\"passive\",\"outcome\":\"new\"" ENDS "}",
		START("handshake") ",\"role\":\"passive\",\"outcome\":\"refused\",\"local\":{\"addr\":\"10.0.0.7\",\"port\":443}}",
		START("accept") ",\"remote\":{\"addr\":\"10.0.0.7\",\"port\":443}}", START("audit") ",\"netns\":1,\"counters\":[]}",
		"{\"v\":2,\"type\":\"handshake\",\"seq\":42" MIDDLE "}", "{\"v\":1,\"type\":\"handshakes\",\"seq\":42" MIDDLE "}",
		"{\"v\":1,\"type\":\"handshake\"}", "{\"v\":1,\"type\":\"handshake}", "{\"v\":1,\"type\":\"hello\",\"seq\":1}",
	};
	struct record r;

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++)
		if (record_scan(lines[i], strlen(lines[i]), NULL, &r))
			fail_msg("read: %s", lines[i]);
}

/* Cut anywhere it is no line; no byte beyond is looked at (ASan). */
static void test_cut(void **state)
{
	struct record r;

	(void)state;
	for (size_t i = 0; i < COUNT(scanned); i++) {
		for (size_t len = 0; len < strlen(scanned[i]); len++) {
			char line[1024];

			memcpy(line, scanned[i], len);
			assert_false(record_scan(line, len, NULL, &r));
			line[len ? len - 1 : 0] = '}';
			if (record_scan(line, len, NULL, &r))
				record_free(&r);
		}
	}
}

static void test_parts(void **state)
{
	static const char audit[] = START("audit") ",\"netns\":1,\"counters\":[]}";
	static const char unordered[] = "{\"v\":1,\"type\":\"audit\",\"host\":\"a\",\"feed\":\"b\",\"mono_ns\":3,\"seq\":2,\"ts\":null,\"x\":[}";
	static const char broken[] = START("handshake") MIDDLE ",\"latency_ns\":5,\"conn\":nothing}";
	uint32_t parts[RECORD_TYPES];
	struct record r;

	(void)state;
	for (size_t i = 0; i < COUNT(parts); i++)
		parts[i] = PART_HEAD;
	assert_true(record_scan(audit, strlen(audit), parts, &r));
	assert_int_equal(r.type, RECORD_AUDIT);
	assert_int_equal(r.seq, 42);
	assert_int_equal(r.mono_ns, 81234567890123);
	assert_int_equal(r.wall_ns, record_time_of("2026-11-20T10:47:46.123456789Z"));
	record_free(&r);
	assert_true(record_scan(unordered, strlen(unordered), parts, &r));
	assert_int_equal(r.seq, 2);
	assert_int_equal(r.mono_ns, 3);
	assert_string_equal(r.host, "a");
	assert_string_equal(r.feed, "b");
	record_free(&r);
	assert_false(record_scan(broken, strlen(broken), NULL, &r));
	parts[RECORD_HANDSHAKE] |= PART_OUTCOME | PART_LATENCY;
	assert_true(record_scan(broken, strlen(broken), parts, &r));
	assert_int_equal(r.handshake.outcome, OUTCOME_REFUSED);
	assert_int_equal(r.handshake.latency_ns, 5);
	assert_null(r.handshake.local.addr);
	record_free(&r);
	parts[RECORD_HANDSHAKE] |= PART_CAUSE;
	assert_false(record_scan(broken, strlen(broken), parts, &r));
	parts[RECORD_AUDIT] = PART_ALL;
	assert_false(record_scan(audit, strlen(audit), parts, &r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same),
		cmocka_unit_test(test_left_to_the_parser),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
