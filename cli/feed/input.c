// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How a feed is read: bytes become lines, lines become records, and records are given when they are due. */
#include "cli/feed/input_internal.h"
#include "cli/text/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

/* At a stretch, so that nobody is kept waiting: keys, signals, what is to be written. */
#define STRETCH_NS 20000000ULL

int input_begin(struct input *f)
{
	if (f->state.live)
		f->lines = lines_new(f->fd);
	else if ((f->unpack = unpack_new(f->fd)))
		f->lines = lines_new_from(unpack_read, f->unpack);
	return f->lines ? 0 : -ENOMEM;
}

void input_release(struct input *f)
{
	if (f->next.any)
		record_free(&f->next.record);
	f->next.any = false;
	lines_free(f->lines);
	unpack_free(f->unpack);
	f->lines = NULL;
	f->unpack = NULL;
}

void input_finish(struct input *f)
{
	f->state.over = true;
}

static void fail(struct input *f)
{
	f->state.failed = f->state.over = true;
}

static void trouble(struct input *f, enum input_trouble what, const char *why)
{
	f->ops->trouble(f->ctx, what, lines_number(f->lines), why);
}

const char *input_refusal(const struct record_end *end, char *out, size_t size)
{
	struct buf why = { 0 };

	text_append(&why, end->error ? end->error : "it gives no reason", false);
	buf_mem(&why, "", 1);
	snprintf(out, size, "%s", why.failed ? "?" : why.data);
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

static void take_bad(struct input *f, enum record_status status, bool cut, const char *why)
{
	if (cut) {
		f->report.cut = true;
		trouble(f, INPUT_CUT_LINE, why);
		return;
	}
	f->report.whole = lines_number(f->lines);
	if (status == RECORD_BAD) {
		f->report.bad++;
		trouble(f, INPUT_BAD, why);
		return;
	}
	/* What such a record means nobody here knows, nor what those beside it do. */
	f->report.foreign++;
	log_error("%s, line %llu: %s; use the tcpshake of the daemon that wrote it", f->state.name,
		  (unsigned long long)lines_number(f->lines), why);
	fail(f);
}

static void take_line(struct input *f, const char *line, size_t len, bool cut)
{
	struct input_next next = { .any = true, .line = line, .len = len };
	enum record_status status;
	char why[160];

	if (is_blank(line, len))
		return;
	status = record_parse(line, len, &next.record, why, sizeof(why));
	/* A refusal is no feed. */
	f->report.lines += status != RECORD_GOOD || next.record.type != RECORD_END;
	if (status != RECORD_GOOD) {
		take_bad(f, status, cut, why);
		return;
	}
	f->report.whole = lines_number(f->lines);
	f->next = next;
}

/* The next record of the lines that were read, into f->next; false if there is none. */
static bool find_next(struct input *f)
{
	enum line_kind kind;
	const char *line;
	size_t len;

	while (!f->state.over && !f->next.any && (kind = lines_next(f->lines, &line, &len)) != LINE_NONE) {
		if (kind != LINE_OVERSIZED) {
			take_line(f, line, len, kind == LINE_CUT);
			continue;
		}
		f->report.lines++;
		f->report.oversized++;
		trouble(f, INPUT_OVERSIZED, "");
	}
	return f->next.any;
}

/* There is more to be had without reading the descriptor. */
static bool has_more(const struct input *f)
{
	return f->unpack && unpack_waits(f->unpack);
}

static void fill(struct input *f)
{
	ssize_t got = lines_fill(f->lines);

	if (got > 0 || got == -EAGAIN)
		return;
	if (got == -EBADMSG) {
		trouble(f, INPUT_DAMAGED, strerror(EBADMSG));
		fail(f);
		return;
	}
	/* A daemon that dies with our request unread resets the connection: an end like another. */
	if (got < 0 && !(got == -ECONNRESET && f->state.live)) {
		log_error("cannot read %s: %s", f->state.name, strerror((int)-got));
		fail(f);
		return;
	}
	f->drained = true;
	if (f->unpack && unpack_is_cut(f->unpack)) {
		f->report.cut = true;
		trouble(f, INPUT_CUT_DATA, "");
	}
}

/* ---- records ---- */

static void give(struct input *f)
{
	struct input_next next = f->next;
	const struct record *r = &next.record;

	f->next.any = false;
	/* A recording may be several feeds, one after the other: each starts with its hello. */
	if (r->type != RECORD_HELLO && f->seq && r->seq > f->seq + 1)
		f->report.missing += r->seq - f->seq - 1;
	f->seq = r->seq;
	f->state.hello = f->state.hello || r->type == RECORD_HELLO;
	f->state.bye = f->state.bye || r->type == RECORD_BYE;
	f->ops->record(f->ctx, r, next.line, next.len);
	if (r->type == RECORD_BYE && f->state.live)
		f->state.over = true;
	record_free(&next.record);
}

static uint64_t due_at(struct input *f)
{
	const struct record *r = &f->next.record;

	if (f->state.live)
		return 0;
	return replay_due(&f->replay, r->type == RECORD_HELLO, r->mono_ns, clock_mono_ns());
}

bool input_run(struct input *f, bool readable)
{
	uint64_t until = clock_mono_ns() + STRETCH_NS;
	bool some = false;

	readable = readable || has_more(f);
	f->busy = false;
	for (unsigned count = 1; !f->state.over && !f->busy; count++) {
		if (find_next(f)) {
			if (due_at(f) > clock_mono_ns())
				break;
			give(f);
			some = true;
		} else if (f->drained) {
			f->state.over = true;
		} else if (readable && !f->state.over) {
			fill(f);
			readable = false; /* once: what came is to be shown before more is read */
		} else {
			break;
		}
		f->busy = count % 64 == 0 && clock_mono_ns() > until;
	}
	return some;
}

int input_fd(const struct input *f)
{
	return f->state.over || f->drained || f->next.any ? -1 : f->fd;
}

uint64_t input_due_at(struct input *f)
{
	if (f->state.over)
		return UINT64_MAX;
	if (f->next.any)
		return due_at(f);
	return f->busy || f->drained || has_more(f) ? 0 : UINT64_MAX;
}

bool input_rewind(struct input *f)
{
	if (!f->state.file || lseek(f->fd, 0, SEEK_SET) < 0)
		return false;
	input_release(f);
	f->replay.begun = f->drained = f->state.over = false;
	f->replay.newest_ns = f->seq = 0;
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

struct replay *input_replay(struct input *f)
{
	return &f->replay;
}

const struct input_report *input_report(const struct input *f)
{
	return &f->report;
}
