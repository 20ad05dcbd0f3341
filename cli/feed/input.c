// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How a feed is read: bytes become lines, lines become records, and records are given when they are due. */
#include "cli/feed/input_internal.h"
#include "cli/feed/record_scan.h"
#include "cli/text/progress.h"
#include "cli/text/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

/* At a stretch, so that nobody is kept waiting: keys, signals, what is to be written. */
#define STRETCH_NS 20000000ULL

static int begin_track(const struct input *f, struct track *t)
{
	if (f->state.live)
		t->lines = lines_new(t->fd);
	else if (t->ring && (t->segments = segment_reader_new(t->fd, f->since_ns, f->until_ns)))
		t->lines = lines_new_from(segment_reader_read, t->segments);
	else if (!t->ring && (t->unpack = unpack_new(t->fd)))
		t->lines = lines_new_from(unpack_read, t->unpack);
	return t->lines ? 0 : -ENOMEM;
}

int input_begin(struct input *f)
{
	int err = f->hosts || (f->hosts = hosts_new()) ? 0 : -ENOMEM;

	for (uint32_t i = 0; !err && i < f->track_count; i++)
		err = begin_track(f, &f->tracks[i]);
	return err;
}

static void release_track(struct track *t)
{
	if (t->next.any)
		record_free(&t->next.record);
	if (t->after.any)
		record_free(&t->after.record);
	t->next.any = t->after.any = t->drained = false;
	buf_free(&t->context);
	buf_free(&t->hello);
	t->silent_since = 0;
	lines_free(t->lines);
	unpack_free(t->unpack);
	segment_reader_free(t->segments);
	t->lines = NULL;
	t->unpack = NULL;
	t->segments = NULL;
}

void input_release(struct input *f)
{
	for (uint32_t i = 0; i < f->track_count; i++)
		release_track(&f->tracks[i]);
}

void input_finish(struct input *f)
{
	f->state.over = true;
}

static void fail(struct input *f)
{
	f->state.failed = f->state.over = true;
}

/* What is said from now on is about that one. */
static void speak_of(struct input *f, const struct track *t)
{
	snprintf(f->state.name, sizeof(f->state.name), "%s", t->name);
}

static void trouble(struct input *f, const struct track *t, enum input_trouble what, const char *why)
{
	speak_of(f, t);
	f->ops->trouble(f->ctx, what, lines_number(t->lines), why);
}

const char *input_refusal(const struct record_end *end, char *out, size_t size)
{
	struct buf why = { 0 };

	text_append(&why, end->error ? end->error : "it gives no reason", false);
	snprintf(out, size, "%s", buf_text(&why));
	buf_free(&why);
	return out;
}

/* ---- lines ---- */

static bool is_blank(const char *line, size_t len)
{
	while (len && (line[len - 1] == ' ' || line[len - 1] == '\t' || line[len - 1] == '\r'))
		len--;
	return len == 0;
}

static void take_whole(struct input *f, struct track *t)
{
	t->whole = lines_number(t->lines);
	if (!f->report.cut)
		f->report.whole = t->whole;
}

/* Of several, the last that is cut off is named. */
static void take_cut(struct input *f, const struct track *t, enum input_trouble what, const char *why)
{
	f->report.cut = true;
	f->report.whole = t->whole;
	trouble(f, t, what, why);
}

static void take_bad(struct input *f, struct track *t, enum record_status status, bool cut, const char *why)
{
	if (cut) {
		take_cut(f, t, INPUT_CUT_LINE, why);
		return;
	}
	take_whole(f, t);
	if (status == RECORD_BAD) {
		f->report.bad++;
		trouble(f, t, INPUT_BAD, why);
		return;
	}
	/* What such a record means nobody here knows, nor what those beside it do. */
	f->report.foreign++;
	log_error("%s, line %llu: %s; use the tcpshake of the daemon that wrote it", t->name,
		  (unsigned long long)lines_number(t->lines), why);
	fail(f);
}

/* Whose host's records these are if they do not say so: one of several, or nobody asks. */
static const char *host_of(const struct input *f, const struct track *t)
{
	return f->track_count > 1 ? t->host : NULL;
}

static void take_memory(struct input *f)
{
	log_error("out of memory");
	fail(f);
}

/* The first of a ring's segments says again which feed its records are of; in the others everybody knows. */
static bool is_known(struct track *t, const struct record *r)
{
	const char *ts = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(r->json, "ts"));
	bool known = r->hello.repeated && ts && t->hello.len == strlen(ts) && memcmp(t->hello.data, ts, t->hello.len) == 0;

	buf_clear(&t->hello);
	buf_str(&t->hello, ts ? ts : "");
	return known;
}

/* Is it to be left out: another time's, or a hello that was given already? The last hello before is held back. */
static bool is_left_out(const struct input *f, struct track *t)
{
	const struct record *r = &t->next.record;
	bool hello = r->type == RECORD_HELLO;

	if (hello && is_known(t, r))
		return true;
	if (!r->wall_ns || (r->wall_ns >= f->since_ns && r->wall_ns <= f->until_ns))
		return false;
	if (hello && r->wall_ns < f->since_ns) {
		buf_clear(&t->context);
		buf_mem(&t->context, t->next.line, t->next.len);
	}
	return true;
}

/* The hello that was held back comes before the first record of the times that are wanted, as if it had no time. */
static void take_context(struct input *f, struct track *t)
{
	struct input_next hello = { .any = true, .line = t->context.data, .len = t->context.len };
	bool wanted = t->next.record.type != RECORD_HELLO;
	char why[160];

	if (!t->context.len || t->context.failed || !wanted ||
	    record_parse(hello.line, hello.len, &hello.record, why, sizeof(why)) != RECORD_GOOD) {
		buf_clear(&t->context);
		return;
	}
	record_forget_time(&hello.record);
	t->context.len = 0;
	if (!hosts_name(f->hosts, &hello.record, (uint32_t)(t - f->tracks), host_of(f, t))) {
		record_free(&hello.record);
		take_memory(f);
		return;
	}
	t->after = t->next;
	t->next = hello;
}

static void take_gap(struct input *f, const struct record *r)
{
	uint64_t gap_ns = hosts_gap(f->hosts, r);

	f->report.gaps += gap_ns > 0;
	f->report.gap_ns += gap_ns;
}

static void take_line(struct input *f, struct track *t, const char *line, size_t len, bool cut)
{
	struct record *r = &t->next.record;
	uint32_t source = (uint32_t)(t - f->tracks);
	enum record_status status;
	char why[160];

	if (is_blank(line, len))
		return;
	t->next.line = line;
	t->next.len = len;
	status = record_scan(line, len, f->parts, r) ? RECORD_GOOD : record_parse(line, len, r, why, sizeof(why));
	if (status == RECORD_GOOD && !f->state.live && is_left_out(f, t)) {
		take_whole(f, t);
		record_free(r);
		return;
	}
	/* A refusal is no feed. */
	f->report.lines += status != RECORD_GOOD || r->type != RECORD_END;
	if (status != RECORD_GOOD) {
		take_bad(f, t, status, cut, why);
		return;
	}
	take_whole(f, t);
	if (!hosts_name(f->hosts, r, source, host_of(f, t))) {
		record_free(r);
		take_memory(f);
		return;
	}
	if (f->state.live)
		r->host = NULL; /* one host's, whatever its name */
	f->report.missing += (uint64_t)hosts_missing(f->hosts, r, source);
	t->next.any = true;
	t->silent_since = 0;
	take_context(f, t);
}

/* The next record of the lines that were read, into t->next; false if there is none. */
static bool find_next(struct input *f, struct track *t)
{
	enum line_kind kind;
	const char *line;
	size_t len;

	if (!t->next.any && t->after.any) {
		t->next = t->after;
		t->after.any = false;
	}
	while (!f->state.over && !t->next.any && (kind = lines_next(t->lines, &line, &len)) != LINE_NONE) {
		if (kind != LINE_OVERSIZED) {
			take_line(f, t, line, len, kind == LINE_CUT);
			continue;
		}
		f->report.lines++;
		f->report.oversized++;
		trouble(f, t, INPUT_OVERSIZED, "");
	}
	return t->next.any;
}

static void fill(struct input *f, struct track *t)
{
	ssize_t got = lines_fill(t->lines);
	const char *why = t->segments ? segment_reader_trouble(t->segments) : NULL;

	if (why) {
		f->report.damaged++;
		trouble(f, t, INPUT_DAMAGED_SEGMENT, why);
	}
	if (got > 0 || got == -EAGAIN)
		return;
	if (got == -EBADMSG) {
		trouble(f, t, INPUT_DAMAGED, strerror(EBADMSG));
		fail(f);
		return;
	}
	/* A daemon that dies with our request unread resets the connection: an end like another. */
	if (got < 0 && !(got == -ECONNRESET && f->state.live)) {
		log_error("cannot read %s: %s", t->name, strerror((int)-got));
		fail(f);
		return;
	}
	t->drained = true;
	if (t->unpack && unpack_is_cut(t->unpack)) {
		take_cut(f, t, INPUT_CUT_DATA, "");
	}
}

/* ---- records ---- */

static void give(struct input *f, struct track *t)
{
	struct record *r = &t->next.record;

	t->next.any = false;
	take_gap(f, r);
	if (!f->state.live && !f->compared)
		hosts_learn(f->hosts, r);
	if (!f->state.live)
		hosts_correct(f->hosts, r);
	r->among_hosts = hosts_count(f->hosts) > 1;
	f->state.hello = f->state.hello || r->type == RECORD_HELLO;
	f->state.bye = f->state.bye || r->type == RECORD_BYE;
	f->ops->record(f->ctx, r, t->next.line, t->next.len);
	if (r->type == RECORD_BYE && f->state.live)
		f->state.over = true;
	record_free(r);
}

static uint64_t due_at(struct input *f, const struct track *t)
{
	bool one = hosts_count(f->hosts) == 1, timed = f->replay.speed > 0 || !f->replay.begun;
	uint64_t mono_ns = t->next.record.mono_ns;

	if (f->state.live)
		return 0;
	if (!one) {
		struct record r = t->next.record;

		hosts_correct(f->hosts, &r);
		mono_ns = r.mono_ns;
	}
	/* Of several hosts each has its hello, and all have one clock. */
	return replay_due(&f->replay, t->next.record.type == RECORD_HELLO && one, mono_ns, timed ? clock_mono_ns() : 0);
}

/* Once in a turn each: what came is to be shown before more is read. False if none can be. */
static bool read_some(struct input *f, bool readable)
{
	struct track *t = merge_readable(f, readable);

	if (!t)
		return false;
	t->read = true;
	fill(f, t);
	return true;
}

static void find_all(struct input *f)
{
	for (uint32_t i = 0; i < f->track_count; i++)
		find_next(f, &f->tracks[i]);
}

bool input_run(struct input *f, bool readable)
{
	uint64_t until = clock_mono_ns() + STRETCH_NS;
	bool some = false;

	f->busy = false;
	for (uint32_t i = 0; i < f->track_count; i++)
		f->tracks[i].read = false;
	for (unsigned count = 1; !f->state.over && !f->busy; count++) {
		struct track *t;

		find_all(f);
		if (f->state.over)
			break;
		t = merge_next(f);
		if (t) {
			uint64_t due = due_at(f, t);

			if (due && due > clock_mono_ns())
				break;
			give(f, t);
			some = true;
		} else if (merge_is_drained(f)) {
			f->state.over = true;
		} else if (!read_some(f, readable)) {
			break;
		}
		f->busy = count % 64 == 0 && clock_mono_ns() > until;
	}
	return some;
}

int input_fd(const struct input *f)
{
	const struct track *t = f->state.over ? NULL : merge_missing(f);

	return t ? t->fd : -1;
}

static bool has_more_anywhere(const struct input *f)
{
	for (uint32_t i = 0; i < f->track_count; i++)
		if (!f->tracks[i].next.any && track_waits(&f->tracks[i]))
			return true;
	return false;
}

uint64_t input_due_at(struct input *f)
{
	struct track *t;

	if (f->state.over)
		return UINT64_MAX;
	t = merge_next(f);
	if (t)
		return due_at(f, t);
	return f->busy || merge_is_drained(f) || has_more_anywhere(f) ? 0 : merge_again_at(f);
}

bool input_rewind(struct input *f)
{
	if (!f->state.file)
		return false;
	input_release(f);
	hosts_again(f->hosts);
	f->compared = true; /* by what came before */
	for (uint32_t i = 0; i < f->track_count; i++)
		if (lseek(f->tracks[i].fd, 0, SEEK_SET) < 0)
			return false;
	f->replay.begun = f->state.over = false;
	f->replay.newest_ns = 0;
	if (input_begin(f) == 0)
		return true;
	log_error("out of memory");
	fail(f);
	return false;
}

const struct input_state *input_state(const struct input *f)
{
	return &f->state;
}

uint64_t input_share(const struct input *f)
{
	uint64_t done = 0, all = 0;

	for (uint32_t i = 0; i < f->track_count; i++) {
		const struct track *t = &f->tracks[i];
		struct stat st;
		off_t at;

		if (!t->file)
			return SHARE_UNKNOWN;
		if (t->ring) {
			if (t->segments)
				segment_reader_share(t->segments, &done, &all);
			continue;
		}
		at = lseek(t->fd, 0, SEEK_CUR);
		if (at < 0 || fstat(t->fd, &st) < 0)
			return SHARE_UNKNOWN;
		done += (uint64_t)at;
		all += (uint64_t)st.st_size;
	}
	return all ? (done < all ? done * 100 / all : 100) : SHARE_UNKNOWN;
}

struct replay *input_replay(struct input *f)
{
	return &f->replay;
}

const struct input_report *input_report(const struct input *f)
{
	return &f->report;
}

void input_report_hosts(struct input *f, struct input_report *report)
{
	*report = f->report;
	report->host_count = hosts_count(f->hosts);
	if (report->host_count < 2)
		return;
	for (uint32_t i = 0; i < report->host_count && i < CLOCK_HOSTS; i++)
		hosts_report(f->hosts, i, &report->hosts[i]);
}
