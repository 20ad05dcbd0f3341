/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Records as JSON, and what is shown of them: for the tests of render and summary. */
#ifndef TCPSHAKE_TEST_RENDERING_H
#define TCPSHAKE_TEST_RENDERING_H

#include "cli/tail/render.h"
#include "cli/tail/summary.h"

#define TS "\"ts\":\"2026-11-20T10:47:46.123456789Z\","
#define V4                                                                                    \
	"\"local\":{\"addr\":\"10.0.0.1\",\"port\":54321},"                                   \
	"\"remote\":{\"addr\":\"10.0.0.2\",\"port\":80}"
#define V6                                                                                    \
	"\"local\":{\"addr\":\"2001:db8::1\",\"port\":54321},"                                \
	"\"remote\":{\"addr\":\"2001:db8:1111:2222:3333:4444:5555:6666\",\"port\":80}"
#define CURL ",\"process\":{\"pid\":1234,\"comm\":\"curl\",\"uid\":0}"
#define LOSS(what, why, count)                                                                \
	"{\"v\":1,\"type\":\"loss\"," TS "\"what\":\"" what "\",\"why\":\"" why           \
	"\",\"count\":" count "}"
#define HANDSHAKE(role, outcome, rest)                                                        \
	"{\"v\":1,\"type\":\"handshake\",\"seq\":2," TS "\"role\":\"" role                    \
	"\",\"outcome\":\"" outcome "\"," rest "}"

#define CAUSE(code, certainty, detail)                                                        \
	",\"cause\":{\"code\":\"" code "\",\"certainty\":\"" certainty "\",\"detail\":\"" detail "\"}"
#define RESET(direction, cause, rest)                                                         \
	"{\"v\":1,\"type\":\"reset\"," TS "\"direction\":\"" direction "\",\"cause\":\"" cause "\"," \
	V4 rest "}"
#define RETRANSMIT(segment, rest)                                                             \
	"{\"v\":1,\"type\":\"retransmit\"," TS "\"segment\":\"" segment "\",\"attempt\":2," V4 rest "}"

static const struct style piped = { .columns = 80 };
static const struct style narrow = { .terminal = true, .utf8 = true, .columns = 80 };
static const struct style wide = { .terminal = true, .utf8 = true, .columns = 150 };

static inline int setup_utc(void **state)
{
	(void)state;
	return setenv("TZ", "UTC", 1);
}

static inline char *render(const struct style *style, const char *line)
{
	struct buf b = { 0 };
	struct record r;
	char error[160] = "";

	if (record_parse(line, strlen(line), &r, error, sizeof(error)) != RECORD_GOOD)
		fail_msg("%s: %s", line, error);
	render_record(&b, style, &r);
	record_free(&r);
	buf_mem(&b, "", 1);
	assert_false(b.failed);
	return b.data;
}

static inline void expect(const struct style *style, const char *line, const char *text)
{
	char *got = render(style, line);

	assert_string_equal(got, text);
	free(got);
}

static inline char *sum_up(const char *const *lines, size_t count, const struct input_report *report)
{
	struct summary *s = summary_new();
	struct buf b = { 0 };

	assert_non_null(s);
	for (size_t i = 0; i < count; i++) {
		struct record r;
		char error[160];

		assert_int_equal(record_parse(lines[i], strlen(lines[i]), &r, error, sizeof(error)),
				 RECORD_GOOD);
		summary_add(s, &r);
		record_free(&r);
	}
	summary_print(s, report, &b);
	buf_mem(&b, "", 1);
	summary_free(s);
	return b.data;
}

#endif
