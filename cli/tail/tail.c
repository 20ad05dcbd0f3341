// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The view `tail`: a line a record, as it comes, and a summary at the end. */
#include "cli/feed/reader.h"
#include "cli/tail/fold.h"
#include "cli/tail/render.h"
#include "cli/tail/summary.h"
#include "cli/text/terminal.h"
#include "cli/view.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"

#define NO_HOST UINT32_MAX

struct tail {
	const struct options *options;
	struct style style;
	struct output out;
	struct summary *summary;
	bool titled; /* the header was written */
	struct fold *fold; /* NULL: RSTs were asked for */
	struct buf lines; /* of one record */
	uint32_t host; /* whose the lines are that came last; NO_HOST: they may not be shown */
	bool fed; /* records came since the last pass */
};

static void tail_render(struct tail *t, const struct record *r, struct buf *b)
{
	/* Below the hello: it says whose records these are. */
	if (!t->titled && t->style.terminal && r->type != RECORD_HELLO) {
		render_header(b, &t->style, r->host && r->among_hosts);
		t->titled = true;
	}
	if (r->host && r->among_hosts && r->host_number != t->host && !render_is_wide(&t->style)) {
		render_host(b, &t->style, r->host);
		/* A RST may be left out, and this line with it. */
		t->host = r->type == RECORD_RESET ? NO_HOST : r->host_number;
	}
	render_record(b, &t->style, r);
}

static void tail_record(void *view, const struct record *r, const char *line, size_t len)
{
	struct tail *t = view;

	summary_add(t->summary, r);
	if (t->options->json) {
		output_json(&t->out, t->style.terminal, line, len);
		return;
	}
	buf_clear(&t->lines);
	tail_render(t, r, t->fold ? &t->lines : &t->out.buf);
	if (t->fold)
		fold_put(t->fold, r, &t->lines, &t->out.buf);
	t->fed = true;
}

/* Where nothing comes any more for a while, no handshake does whose end a RST was. */
static int tail_pass(void *view, uint64_t *again_at)
{
	struct tail *t = view;
	uint64_t now = clock_mono_ns();

	if (t->fold && !t->fed && now >= *again_at)
		fold_end(t->fold, &t->out.buf);
	if (!t->fold || !fold_waits(t->fold))
		*again_at = UINT64_MAX;
	else if (t->fed)
		*again_at = now + FOLD_WAIT_NS;
	t->fed = false;
	return 0;
}

/* What waited at the end of the feed. */
static int tail_end(struct tail *t)
{
	if (!t->fold || t->out.closed)
		return 0;
	fold_end(t->fold, &t->out.buf);
	return output_print(&t->out);
}

static void tail_resized(void *view)
{
	struct tail *t = view;
	bool was_wide = render_is_wide(&t->style);

	terminal_resize(&t->style);
	if (render_is_wide(&t->style) != was_wide)
		t->titled = false;
}

enum exit_status tail_run(const struct options *o)
{
	static const struct reader_ops ops = {
		.record = tail_record, .resized = tail_resized, .pass = tail_pass,
	};
	struct tail t = { .options = o, .summary = summary_new(), .host = NO_HOST };
	struct input_report report = { 0 };
	enum exit_status status = STATUS_FAILED;
	bool folds = !o->json && !(o->event_mask & 1U << RECORD_RESET);

	if (folds)
		t.fold = fold_new();
	if (!t.summary || (folds && !t.fold)) {
		log_error("out of memory");
		goto out;
	}
	terminal_detect(&t.style, o->color);
	status = reader_run(o, &t.out, &ops, &t, &report);
	if (tail_end(&t) < 0)
		status = STATUS_FAILED;
	/*
	 * Where nothing was read there is nothing to sum up; why was said already. To standard output only
	 * where a person reads it: in a pipe that is for records.
	 */
	if (!o->no_summary && !t.out.closed && (report.lines || status == STATUS_OK))
		summary_write(t.summary, &report, t.style.terminal && !o->json ? stdout : stderr);
out:
	buf_free(&t.out.buf);
	buf_free(&t.lines);
	fold_free(t.fold);
	summary_free(t.summary);
	return status;
}
