// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/listeners/render.h"
#include "cli/tail/render.h"
#include "cli/text/table.h"
#include "cli/text/text.h"

#include <linux/types.h>
#include <stdio.h>

#include "common/names.h"

enum { BAR_NARROW = 6, BAR_WIDE = 16 };

/* What is not known is no 0, and no empty queue. */
static void put_unknown(struct table *t, const struct style *style)
{
	table_cell(t, PAINT_DIM, style->utf8 && style->terminal ? "\u2013" : "-", NULL);
}

void listener_bar(struct buf *b, bool utf8, size_t columns, const struct queue *queue)
{
	size_t len = 0, peak = 0;

	if (queue->known) {
		len = text_bar(queue->len, queue->max, (unsigned)columns);
		peak = text_bar(queue->peak, queue->max, (unsigned)columns);
	}
	for (size_t i = 1; i <= columns; i++) {
		if (i <= len)
			buf_str(b, utf8 ? "\u2588" : "#");
		else if (i == peak)
			buf_str(b, utf8 ? "\u2502" : "|");
		else
			buf_str(b, utf8 ? "\u2591" : ".");
	}
	buf_mem(b, "", 1);
}

static enum paint fill_paint(const struct queue *q, uint64_t value)
{
	if (!q->known || !value)
		return PAINT_NONE;
	if (value > q->max)
		return PAINT_LOUD;
	return value > q->max / 2 ? PAINT_WARN : PAINT_NONE;
}

static void put_local(struct table *t, const struct record_listener *l)
{
	char head[80], tail[16];

	snprintf(head, sizeof(head), "%s%s", l->local.ipv6 ? "[" : "", l->local.addr);
	snprintf(tail, sizeof(tail), "%s:%u", l->local.ipv6 ? "]" : "", l->local.port);
	table_cell(t, PAINT_NONE, head, tail);
}

static void put_owner(struct table *t, const struct style *style, const struct record_listener *l)
{
	char tail[64];

	if (!l->owner.known) {
		put_unknown(t, style);
		return;
	}
	if (l->owners > 1)
		snprintf(tail, sizeof(tail), "/%llu+%llu", (unsigned long long)l->owner.pid,
			 (unsigned long long)l->owners - 1);
	else
		snprintf(tail, sizeof(tail), "/%llu", (unsigned long long)l->owner.pid);
	table_cell(t, PAINT_NONE, l->owner.comm, tail);
}

static void put_length(struct table *t, const struct style *style, const struct queue *q)
{
	char text[48];

	if (!q->known) {
		put_unknown(t, style);
		return;
	}
	snprintf(text, sizeof(text), "%llu/%llu", (unsigned long long)q->len,
		 (unsigned long long)q->max);
	table_cell(t, fill_paint(q, q->len), text, NULL);
}

static void put_bar(struct table *t, const struct style *style, const struct queue *q)
{
	struct buf bar = { 0 };

	/* An empty bar is an empty queue. */
	if (!q->known) {
		put_unknown(t, style);
		return;
	}
	listener_bar(&bar, style->utf8 && style->terminal,
		     render_is_wide(style) ? BAR_WIDE : BAR_NARROW, q);
	table_cell(t, fill_paint(q, q->len), bar.failed ? "" : bar.data, NULL);
	buf_free(&bar);
}

static void put_peak(struct table *t, const struct style *style, const struct queue *q)
{
	if (q->known)
		table_number(t, fill_paint(q, q->peak), q->peak);
	else
		put_unknown(t, style);
}

static void put_drops(struct table *t, const struct style *style, const struct record_listener *l)
{
	if (l->drops == COUNT_UNKNOWN)
		put_unknown(t, style);
	else
		table_number(t, l->drops ? PAINT_BAD : PAINT_NONE, l->drops);
}

/* Each report counts. That there is none means none only where refusals are counted. */
static void put_overflows(struct table *t, const struct style *style, const struct evidence *e,
			  const struct record_listener *l)
{
	uint64_t ack = l->overflow_ack + l->overflow_cookie;
	bool syn_known = l->overflow_syn || evidence_counts_syns(e, l->accept.known);
	bool ack_known = ack || evidence_counts_acks(e, l->accept.known);
	const char *unknown = style->utf8 && style->terminal ? "\u2013" : "-";
	char text[64], syn_text[24], ack_text[24];

	if (!syn_known && !ack_known) {
		put_unknown(t, style);
		return;
	}
	snprintf(syn_text, sizeof(syn_text), "%llu", (unsigned long long)l->overflow_syn);
	snprintf(ack_text, sizeof(ack_text), "%llu", (unsigned long long)ack);
	snprintf(text, sizeof(text), "%s/%s", syn_known ? syn_text : unknown,
		 ack_known ? ack_text : unknown);
	table_cell(t, l->overflow_syn || ack ? PAINT_BAD : PAINT_NONE, text, NULL);
}

static void put_oldest(struct table *t, const struct style *style, const struct record_listener *l)
{
	char text[32] = "?";

	if (!l->waiting && !l->accept.known) {
		put_unknown(t, style);
		return;
	}
	if (!l->waiting) {
		table_cell(t, PAINT_DIM, "-", NULL);
		return;
	}
	if (l->oldest_wait_ns != NS_UNKNOWN)
		text_duration(l->oldest_wait_ns, text, sizeof(text));
	table_cell(t, l->oldest_wait_ns != NS_UNKNOWN && l->oldest_wait_ns >= 1000000000 ?
			      PAINT_WARN : PAINT_NONE, text, NULL);
}

enum { COLUMNS_MAX = 10 };

static size_t choose_columns(struct table_column *columns, bool wide, bool mixed)
{
	size_t n = 0;

	columns[n++] = (struct table_column){ "LISTEN", false, 12 };
	if (mixed)
		columns[n++] = (struct table_column){ "NETNS", true, 0 };
	columns[n++] = (struct table_column){ "PROCESS", false, 9 };
	columns[n++] = (struct table_column){ wide ? "ACCEPT-QUEUE" : "ACCEPT", false, 0 };
	columns[n++] = (struct table_column){ wide ? "LEN/MAX" : "QUEUE", true, 0 };
	if (wide)
		columns[n++] = (struct table_column){ "PEAK", true, 0 };
	columns[n++] = (struct table_column){ wide ? "SYN-QUEUE" : "SYNQ", true, 0 };
	columns[n++] = (struct table_column){ "DROPS", true, 0 };
	columns[n++] = (struct table_column){ wide ? "OVERFLOWS-SYN/ACK" : "SYN/ACK", true, 0 };
	columns[n++] = (struct table_column){ "OLDEST", true, 0 };
	return n;
}

static void put_row(struct table *t, const struct style *style, const struct evidence *e,
		    const struct record_listener *l, bool mixed)
{
	put_local(t, l);
	if (mixed)
		table_number(t, PAINT_DIM, l->netns);
	put_owner(t, style, l);
	put_bar(t, style, &l->accept);
	put_length(t, style, &l->accept);
	if (render_is_wide(style))
		put_peak(t, style, &l->accept);
	put_length(t, style, &l->syn);
	put_drops(t, style, l);
	put_overflows(t, style, e, l);
	put_oldest(t, style, l);
}

/* A sentence, on a terminal in as many lines as it takes; how many. */
static size_t put_note(struct buf *b, const struct style *style, const char *text)
{
	struct line l = { .out = b, .style = style };
	size_t start = b->len, lines = 0;

	if (!*text)
		return 0;
	line_wrap(&l, PAINT_DIM, text, 0, style->terminal ? style->columns : SIZE_MAX);
	line_end(&l);
	for (size_t i = start; i < b->len; i++)
		lines += b->data[i] == '\n';
	return lines;
}

static void put_table(struct buf *b, const struct style *style, const struct listener_list *list,
		      size_t shown)
{
	const struct evidence *e = listener_list_evidence(list);
	bool mixed = listener_list_is_mixed(list);
	struct table_column columns[COLUMNS_MAX];
	struct table *t = table_new(columns, choose_columns(columns, render_is_wide(style), mixed),
				    style);

	for (size_t i = 0; i < shown; i++)
		put_row(t, style, e, &listener_list_at(list, i)->record.listener, mixed);
	table_end(t, b, shown);
}

void listener_render(struct buf *b, const struct style *style, const struct listener_list *list,
		     size_t rows)
{
	const struct evidence *e = listener_list_evidence(list);
	size_t count = listener_list_count(list), shown, lines;
	struct line l = { .out = b, .style = style };
	struct buf note = { 0 };
	char text[320];

	if (!count) {
		put_note(b, style, evidence_no_listeners(e, text, sizeof(text)));
		return;
	}
	lines = put_note(&note, style, evidence_of_queues(e, text, sizeof(text)));
	rows = rows > lines ? rows - lines : 0;
	shown = count <= rows ? count : rows - (rows > 0);
	put_table(b, style, list, shown);
	b->failed = b->failed || note.failed;
	if (shown < count) {
		snprintf(text, sizeof(text), "and %zu more; --once shows all", count - shown);
		line_put(&l, PAINT_DIM, text);
		line_end(&l);
	}
	if (note.len)
		buf_mem(b, note.data, note.len);
	buf_free(&note);
}
