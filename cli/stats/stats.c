// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The view `stats`: the daemon's totals, and the last audit against the kernel's counters. */
#include "cli/stats/ledger.h"
#include "cli/feed/live.h"
#include "cli/view.h"

#include <stdint.h>

#include "common/log.h"

struct stats {
	const struct options *options;
	struct ledger *ledger;
};

static void clear(void *view)
{
	struct stats *v = view;

	ledger_clear(v->ledger);
}

static void take(void *view, const struct record *r, const char *line, size_t len)
{
	struct stats *v = view;
	uint32_t netns = v->options->filter.stream.netns;

	/* Totals are the daemon's; of audits each namespace has its own. */
	if (r->type != RECORD_AUDIT || !netns || r->audit.netns == netns)
		ledger_add(v->ledger, r, line, len);
}

/* As many lines as fit, and the verdict, which is the last. */
static void draw(void *view, struct buf *b, const struct style *style, size_t rows)
{
	struct stats *v = view;
	struct buf text = { 0 };
	size_t lines = 0, keep = 0, last = 0;

	ledger_render(v->ledger, style, &text);
	for (size_t i = 0; i + 1 < text.len; i++) {
		if (text.data[i] != '\n')
			continue;
		last = i + 1;
		if (++lines + 1 <= rows)
			keep = i + 1;
	}
	if (lines + 1 <= rows) {
		buf_mem(b, text.data, text.len);
	} else {
		buf_mem(b, text.data, keep);
		buf_mem(b, text.data + last, text.len - last);
	}
	b->failed = b->failed || text.failed;
	buf_free(&text);
}

static void put_json(void *view, struct buf *b)
{
	struct stats *v = view;

	ledger_json(v->ledger, b);
}

enum exit_status stats_run(const struct options *o)
{
	static const struct live_ops ops = {
		.question = "stats",
		.settle_ms = 1500, /* its first audit comes after an interval */
		.clear = clear,
		.record = take,
		.draw = draw,
		.json = put_json,
	};
	struct stats v = { .options = o, .ledger = ledger_new() };
	enum exit_status status;

	if (!v.ledger) {
		log_error("out of memory");
		return STATUS_FAILED;
	}
	status = live_run(o, &ops, &v);
	ledger_free(v.ledger);
	return status;
}
