// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The view `stats`: the daemon's totals, and the last audit against the kernel's counters. */
#include "ledger.h"
#include "live.h"
#include "view.h"

#include <stdint.h>

#include "common/log.h"

static void clear(void *view)
{
	ledger_clear(view);
}

static void take(void *view, const struct record *r, const char *line, size_t len)
{
	ledger_add(view, r, line, len);
}

/* As many lines as fit, and the verdict, which is the last. */
static void draw(void *view, struct buf *b, const struct style *style, size_t rows)
{
	struct buf text = { 0 };
	size_t lines = 0, keep = 0, last = 0;

	ledger_render(view, style, &text);
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
	ledger_json(view, b);
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
	struct ledger *ledger = ledger_new();
	enum exit_status status;

	if (!ledger) {
		log_error("out of memory");
		return STATUS_FAILED;
	}
	status = live_run(o, &ops, ledger);
	ledger_free(ledger);
	return status;
}
