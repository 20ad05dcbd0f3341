// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A recording of any bytes, read as `tcpshake --from` reads it, and shown by every view. No bytes
 * may crash it, and none of them may reach a terminal but as text.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/explain/model.h"
#include "cli/explain/render.h"
#include "cli/stats/ledger.h"
#include "cli/listeners/listener_list.h"
#include "cli/listeners/render.h"
#include "cli/feed/reader.h"
#include "cli/feed/record_scan.h"
#include "cli/tail/render.h"
#include "cli/tail/summary.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/same_record.h"

static const struct style styles[] = {
	{ .columns = 80, .rows = 24 },
	{ .terminal = true, .columns = 80, .rows = 24 },
	{ .terminal = true, .utf8 = true, .columns = 200, .rows = 60 },
};

struct views {
	struct summary *summary;
	struct ledger *ledger;
	struct listener_list *listeners;
	struct explain *explain;
	uint64_t records;
};

/* Without colour there is no reason for any control character. */
static void check_text(struct buf *b, const struct style *style)
{
	FUZZ_CHECK(!b->failed);
	for (size_t i = 0; i < b->len; i++) {
		unsigned char c = (unsigned char)b->data[i];

		FUZZ_CHECK(c == '\n' || (c >= ' ' && c != 0x7f));
		FUZZ_CHECK(c < 0x80 || style->utf8);
	}
	buf_clear(b);
}

/* What the scanner reads, the parser reads, and as the same record. */
static void check_scan(const char *line, size_t len)
{
	struct record scan, whole;
	char why[160];

	if (!record_scan(line, len, NULL, &scan))
		return;
	FUZZ_CHECK(record_parse(line, len, &whole, why, sizeof(why)) == RECORD_GOOD);
	FUZZ_CHECK(!different_field(&scan, &whole));
	record_free(&scan);
	record_free(&whole);
}

/* Does the daemon's order hold, in which `host` and `feed` come before the rest? */
static bool names_first(const char *line, size_t len, const struct record *r)
{
	size_t at = strlen("{\"v\":1,\"type\":\"") + strlen(r->type_name);

	return at < len && memmem(line + at, len - at, "\",\"host\":", 9) == line + at;
}

/* What is needed of a line is read alike, however little of it that is. A line that is no record further on is none. */
static void check_part(const char *line, size_t len, uint32_t part)
{
	uint32_t parts[RECORD_TYPES];
	struct record scan, whole;
	char why[160];

	for (int i = 0; i < RECORD_TYPES; i++)
		parts[i] = part;
	if (!record_scan(line, len, parts, &scan))
		return;
	if (record_parse(line, len, &whole, why, sizeof(why)) == RECORD_GOOD) {
		FUZZ_CHECK(scan.type == whole.type && scan.seq == whole.seq && scan.wall_ns == whole.wall_ns);
		FUZZ_CHECK((double)scan.mono_ns == (double)whole.mono_ns);
		/* Behind the times they are passed over (record_scan.c). */
		FUZZ_CHECK(same_text(scan.host, whole.host) || (!scan.host && !names_first(line, len, &scan)));
		FUZZ_CHECK(same_text(scan.feed, whole.feed) || !scan.feed);
		FUZZ_CHECK(!(part & PART_OUTCOME) || scan.type != RECORD_HANDSHAKE ||
			   scan.handshake.outcome == whole.handshake.outcome);
		record_free(&whole);
	}
	record_free(&scan);
}

static void check_lines(const char *data, size_t size)
{
	for (size_t at = 0, end; at < size; at = end + 1) {
		const char *newline = memchr(data + at, '\n', size - at);

		end = newline ? (size_t)(newline - data) : size;
		check_scan(data + at, end - at);
		check_part(data + at, end - at, PART_HEAD);
		check_part(data + at, end - at, PART_HEAD | PART_OUTCOME);
	}
}

static void take(void *ctx, const struct record *r, const char *line, size_t len)
{
	struct views *v = ctx;
	struct buf b = { 0 };

	FUZZ_CHECK(!memchr(line, '\n', len));
	v->records += r->type != RECORD_END; /* which is of no feed, and not counted there */
	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++) {
		render_record(&b, &styles[i], r);
		check_text(&b, &styles[i]);
	}
	buf_free(&b);
	summary_add(v->summary, r);
	ledger_add(v->ledger, r, line, len);
	listener_list_add(v->listeners, r, line, len);
	explain_add(v->explain, r);
}

static void resized(void *ctx)
{
	(void)ctx;
}

static void show(struct views *v, const struct input_report *report)
{
	struct explain_source from = { .recorded = true, .most = SIZE_MAX };
	struct buf b = { 0 };

	FUZZ_CHECK(explain_finish(v->explain, report) == 0);
	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++) {
		summary_print(v->summary, report, &b);
		FUZZ_CHECK(!b.failed);
		buf_clear(&b);
		ledger_render(v->ledger, &styles[i], &b);
		check_text(&b, &styles[i]);
		for (int key = 0; key < SORT_KEYS; key++) {
			listener_list_sort(v->listeners, (enum sort_key)key);
			listener_render(&b, &styles[i], v->listeners, styles[i].rows);
			check_text(&b, &styles[i]);
		}
		explain_render(v->explain, &from, report, &styles[i], &b);
		check_text(&b, &styles[i]);
	}
	ledger_json(v->ledger, &b);
	explain_json(v->explain, &from, report, &b);
	FUZZ_CHECK(!b.failed);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct reader_ops ops = { .record = take, .resized = resized };
	static int fd = -1;
	static char path[32];
	static struct filter none;
	struct options options = { .from = path, .socket = "" };
	struct input_report report = { 0 };
	struct output out = { 0 };
	struct views v = { summary_new(), ledger_new(), listener_list_new(&none), explain_new(), 0 };

	if (fd < 0) {
		fd = memfd_create("recording", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	FUZZ_CHECK(fd >= 0 && v.summary && v.ledger && v.listeners && v.explain);
	FUZZ_CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	check_lines((const char *)data, size);
	reader_run(&options, &out, &ops, &v, &report);
	FUZZ_CHECK(v.records + report.bad + report.oversized <= report.lines);
	show(&v, &report);
	buf_free(&out.buf);
	summary_free(v.summary);
	ledger_free(v.ledger);
	listener_list_free(v.listeners);
	explain_free(v.explain);
	return 0;
}
