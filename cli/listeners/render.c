// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/listeners/render.h"
#include "cli/feed/containers.h"
#include "cli/feed/group.h"
#include "cli/tail/render.h"
#include "cli/text/table.h"
#include "cli/text/text.h"

#include <linux/types.h>
#include <stdio.h>
#include <string.h>

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

static void put_asked(struct table *t, const struct style *style, const struct backlog *b)
{
	char text[32];

	if (!b->asked_known) {
		put_unknown(t, style);
		return;
	}
	snprintf(text, sizeof(text), "%lld", (long long)b->asked);
	table_cell(t, backlog_is_clamped(b) ? PAINT_WARN : PAINT_NONE, text, NULL);
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

/* Both queues have one limit. */
static void put_depth(struct table *t, const struct style *style, const struct record_listener *l, const struct spread *s)
{
	char text[80];

	if (!s->known || !s->count) {
		put_unknown(t, style);
		return;
	}
	snprintf(text, sizeof(text), "%llu/%llu/%llu", (unsigned long long)s->p50, (unsigned long long)s->p99,
		 (unsigned long long)s->max);
	table_cell(t, fill_paint(&l->accept, s->p99), text, NULL);
}

static void put_wait(struct table *t, const struct style *style, const struct record_listener *l)
{
	const uint64_t ns[] = { l->wait.p50, l->wait.p99, l->wait.max };
	char text[3][32], all[100];

	if (!l->wait.known || !l->wait.count) {
		put_unknown(t, style);
		return;
	}
	for (int i = 0; i < 3; i++)
		text_duration(ns[i], text[i], sizeof(text[i]));
	snprintf(all, sizeof(all), "%s/%s/%s", text[0], text[1], text[2]);
	table_cell(t, l->wait.p99 >= 1000000000 ? PAINT_WARN : PAINT_NONE, all, NULL);
}

enum { LOPSIDED_TRIES = 16, COLUMNS_MAX = 16, SPREAD_COLUMNS = 144, ALL_SPREADS_COLUMNS = 167 };

/* Columns that not each table has: what distinguishes listeners with the same address, and what is known of any of them. */
enum shows { SHOWS_NETNS = 1, SHOWS_HOST = 2, SHOWS_DEPTH = 4, SHOWS_WAIT = 8, SHOWS_ASKED = 16, SHOWS_CONTAINER = 32,
	     SHOWS_SYN_DEPTH = 64 };

static bool has_room(const struct style *style)
{
	return !style->terminal || style->columns >= SPREAD_COLUMNS;
}

static unsigned known_containers(const struct listener_list *list)
{
	for (size_t i = 0; i < listener_list_count(list); i++)
		if (listener_list_at(list, i)->record.listener.container.id)
			return SHOWS_CONTAINER;
	return 0;
}

static unsigned known_spreads(const struct listener_list *list)
{
	unsigned shows = 0;

	for (size_t i = 0; i < listener_list_count(list); i++) {
		const struct record_listener *l = &listener_list_at(list, i)->record.listener;

		shows |= (l->depth.known ? SHOWS_DEPTH : 0) | (l->wait.known ? SHOWS_WAIT : 0) |
			 (l->syn_depth.known ? SHOWS_SYN_DEPTH : 0);
	}
	return shows;
}

static unsigned shown_spreads(const struct listener_list *list, const struct style *style)
{
	unsigned known = known_spreads(list);

	if (!has_room(style))
		return 0;
	return style->terminal && style->columns < ALL_SPREADS_COLUMNS ? known & ~(unsigned)SHOWS_SYN_DEPTH : known;
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

/* Why one of them is not there, where another is. */
static size_t put_spread_notes(struct buf *b, const struct style *style, const struct listener_list *list)
{
	const struct evidence *e = listener_list_evidence(list);
	char text[320];
	size_t lines = 0;

	if (!(shown_spreads(list, style) & SHOWS_DEPTH))
		return 0;
	if (!(known_spreads(list) & SHOWS_WAIT))
		lines += put_note(b, style, evidence_of_waits(e, text, sizeof(text)));
	if (!(known_spreads(list) & SHOWS_SYN_DEPTH))
		lines += put_note(b, style, evidence_of_requests(e, text, sizeof(text)));
	return lines;
}

/* The first that asked for more than it got, and how many more of them there are; "" if none did. */
static const char *clamped(const struct listener_list *list, char *out, size_t size)
{
	const struct record_listener *first = NULL;
	struct buf asked = { 0 };
	size_t count = 0;

	*out = '\0';
	for (size_t i = 0; i < listener_list_count(list); i++) {
		const struct record_listener *l = &listener_list_at(list, i)->record.listener;

		if (!backlog_is_clamped(&l->backlog))
			continue;
		first = first ? first : l;
		count++;
	}
	if (!first || !backlog_say(&asked, &first->backlog))
		return out;
	snprintf(out, size, "Port %u %s", first->local.port, buf_text(&asked));
	if (count > 1)
		snprintf(out + strlen(out), size - strlen(out), "; %zu more asked for more than they got", count - 1);
	buf_free(&asked);
	return out;
}

static bool is_beside(const struct listener_entry *a, const struct listener_entry *b)
{
	const struct record_listener *x = &a->record.listener, *y = &b->record.listener;

	return x->local.port == y->local.port && x->netns == y->netns && strcmp(x->local.addr, y->local.addr) == 0 &&
	       a->record.host_number == b->record.host_number;
}

/* Of the listeners of one port (SO_REUSEPORT), the first that is full while others beside it have room; "" if none is. */
static const char *lopsided(const struct listener_list *list, char *out, size_t size)
{
	size_t count = listener_list_count(list), tried = 0;
	struct buf said = { 0 };

	*out = '\0';
	for (size_t i = 0; i < count && tried < LOPSIDED_TRIES && !*out; i++) {
		const struct listener_entry *full = listener_list_at(list, i);
		const struct queue *q = &full->record.listener.accept;
		struct group group = { 0 };

		if (!q->known || (q->len <= q->max && q->peak <= q->max))
			continue;
		tried++;
		for (size_t j = 0; j < count; j++)
			if (is_beside(full, listener_list_at(list, j)))
				group_take(&group, &listener_list_at(list, j)->record.listener);
		if (group_say(&said, &group))
			snprintf(out, size, "Port %u: %s", full->record.listener.local.port, buf_text(&said));
	}
	buf_free(&said);
	return out;
}

static size_t choose_columns(struct table_column *columns, bool wide, unsigned shows)
{
	size_t n = 0;

	columns[n++] = (struct table_column){ "LISTEN", false, 12 };
	if (shows & SHOWS_HOST)
		columns[n++] = (struct table_column){ "HOST", false, 0 };
	if (shows & SHOWS_NETNS)
		columns[n++] = (struct table_column){ "NETNS", true, 0 };
	columns[n++] = (struct table_column){ "PROCESS", false, 9 };
	if (shows & SHOWS_CONTAINER)
		columns[n++] = (struct table_column){ "CONTAINER", false, 12 };
	columns[n++] = (struct table_column){ wide ? "ACCEPT-QUEUE" : "ACCEPT", false, 0 };
	columns[n++] = (struct table_column){ wide ? "LEN/MAX" : "QUEUE", true, 0 };
	if (shows & SHOWS_ASKED)
		columns[n++] = (struct table_column){ "ASKED", true, 0 };
	if (wide)
		columns[n++] = (struct table_column){ "PEAK", true, 0 };
	columns[n++] = (struct table_column){ wide ? "SYN-QUEUE" : "SYNQ", true, 0 };
	columns[n++] = (struct table_column){ "DROPS", true, 0 };
	columns[n++] = (struct table_column){ wide ? "OVERFLOWS-SYN/ACK" : "SYN/ACK", true, 0 };
	columns[n++] = (struct table_column){ "OLDEST", true, 0 };
	if (shows & SHOWS_DEPTH)
		columns[n++] = (struct table_column){ "DEPTH-P50/P99/MAX", true, 0 };
	if (shows & SHOWS_WAIT)
		columns[n++] = (struct table_column){ "WAIT-P50/P99/MAX", true, 0 };
	if (shows & SHOWS_SYN_DEPTH)
		columns[n++] = (struct table_column){ "SYN-DEPTH-P50/P99/MAX", true, 0 };
	return n;
}

static void put_row(struct table *t, const struct style *style, const struct evidence *e,
		    const struct listener_entry *entry, unsigned shows)
{
	const struct record_listener *l = &entry->record.listener;
	char container[CONTAINER_TEXT];

	put_local(t, l);
	if (shows & SHOWS_HOST)
		table_cell(t, PAINT_NONE, entry->host, NULL);
	if (shows & SHOWS_NETNS)
		table_number(t, PAINT_DIM, l->netns);
	put_owner(t, style, l);
	container_text(&l->container, container, sizeof(container));
	if (shows & SHOWS_CONTAINER)
		table_cell(t, PAINT_NONE, container, NULL);
	put_bar(t, style, &l->accept);
	put_length(t, style, &l->accept);
	if (shows & SHOWS_ASKED)
		put_asked(t, style, &l->backlog);
	if (render_is_wide(style))
		put_peak(t, style, &l->accept);
	put_length(t, style, &l->syn);
	put_drops(t, style, l);
	put_overflows(t, style, e, l);
	put_oldest(t, style, l);
	if (shows & SHOWS_DEPTH)
		put_depth(t, style, l, &l->depth);
	if (shows & SHOWS_WAIT)
		put_wait(t, style, l);
	if (shows & SHOWS_SYN_DEPTH)
		put_depth(t, style, l, &l->syn_depth);
}

static void put_table(struct buf *b, const struct style *style, const struct listener_list *list,
		      size_t shown)
{
	const struct evidence *e = listener_list_evidence(list);
	char text[320];
	unsigned shows = (listener_list_is_mixed(list) ? SHOWS_NETNS : 0) |
			 (listener_list_has_hosts(list) ? SHOWS_HOST : 0) |
			 shown_spreads(list, style) | (has_room(style) ? known_containers(list) : 0) |
			 (*clamped(list, text, sizeof(text)) ? SHOWS_ASKED : 0);
	struct table_column columns[COLUMNS_MAX];
	struct table *t = table_new(columns, choose_columns(columns, render_is_wide(style), shows),
				    style);

	for (size_t i = 0; i < shown; i++)
		put_row(t, style, e, listener_list_at(list, i), shows);
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
	lines += put_spread_notes(&note, style, list);
	lines += put_note(&note, style, clamped(list, text, sizeof(text)));
	lines += put_note(&note, style, lopsided(list, text, sizeof(text)));
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
