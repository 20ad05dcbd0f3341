// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The view `listeners`: the queues of every listening socket, how full and since when. */
#include "cli/listeners/listener_list.h"
#include "cli/listeners/render.h"
#include "cli/feed/live.h"
#include "cli/view.h"

#include <string.h>

#include "common/log.h"

struct listeners {
	const struct options *options;
	struct listener_list *list;
};

static void clear(void *view)
{
	struct listeners *v = view;

	listener_list_clear(v->list);
}

static void take(void *view, const struct record *r, const char *line, size_t len)
{
	struct listeners *v = view;

	if (r->type == RECORD_LISTENER || r->type == RECORD_HELLO ||
	    r->type == RECORD_PROBE)
		listener_list_add(v->list, r, line, len);
}

static void draw(void *view, struct buf *b, const struct style *style, size_t rows)
{
	struct listeners *v = view;

	listener_list_sort(v->list, v->options->sort);
	listener_render(b, style, v->list, rows - 1); /* a line of titles */
	b->failed = b->failed || listener_list_failed(v->list);
}

static void put_json(void *view, struct buf *b)
{
	struct listeners *v = view;

	listener_list_sort(v->list, v->options->sort);
	for (size_t i = 0; i < listener_list_count(v->list); i++) {
		const struct listener_entry *e = listener_list_at(v->list, i);

		buf_mem(b, e->line, e->len);
		buf_lit(b, "\n");
	}
	b->failed = b->failed || listener_list_failed(v->list);
}

enum exit_status listeners_run(const struct options *o)
{
	static const struct live_ops ops = {
		.question = "listeners",
		.first = "probe",
		.clear = clear,
		.record = take,
		.draw = draw,
		.json = put_json,
	};
	struct listeners v = { .options = o, .list = listener_list_new(&o->filter) };
	enum exit_status status;

	if (!v.list) {
		log_error("out of memory");
		return STATUS_FAILED;
	}
	status = live_run(o, &ops, &v);
	listener_list_free(v.list);
	return status;
}
