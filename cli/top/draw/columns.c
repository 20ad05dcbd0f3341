// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/top/draw/columns.h"
#include "cli/feed/causes.h"
#include "cli/top/draw/numbers.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/addr.h"
#include "common/clock.h"

#define CONTAINER_LEAST 8 /* columns: in less its name says nothing */

/* ---- cells ---- */

static void put_text(const struct top_cell *at, enum top_paint paint, const char *text)
{
	top_put_right(at->canvas, at->row, at->column, at->width, paint, text);
}

static void put_number(const struct top_cell *at, enum top_paint paint, uint64_t n)
{
	char text[32];

	put_text(at, n ? paint : TOP_DIM, top_number(n, at->width, text, sizeof(text)));
}

/* Nobody knows it here: no 0, and no empty queue. */
static void put_unknown(const struct top_cell *at)
{
	put_text(at, TOP_DIM, at->canvas->utf8 ? "\u2013" : "-");
}

/* What is reported counts; none reported is none only where somebody counts. */
static void put_counted(const struct top_cell *at, enum top_paint paint, uint64_t n, bool counted)
{
	if (n || counted)
		put_number(at, paint, n);
	else
		put_unknown(at);
}

static bool counts_syns(const struct top_cell *at, const struct top_line *l)
{
	return evidence_counts_syns(top_evidence_of(at->context->model), l->has_queue);
}

static bool counts_acks(const struct top_cell *at, const struct top_line *l)
{
	return evidence_counts_acks(top_evidence_of(at->context->model), l->has_queue);
}

static void put_duration(const struct top_cell *at, const struct top_line *l, uint64_t ns)
{
	char text[32];

	put_text(at, l->latency.count ? TOP_PLAIN : TOP_DIM,
		 l->latency.count ? text_duration(ns, text, sizeof(text)) : "-");
}

void top_line_name(enum top_table_id id, const struct top_line *l, char *head, size_t size,
		   char *tail, size_t tail_size)
{
	struct buf text = { 0 };
	const char *host = l->key && id != TOP_CAUSES ? l->key->host_name : "", *of = *host ? "@" : "";
	bool ipv4;

	*tail = '\0';
	if (!l->key) {
		snprintf(head, size, "others (no room for their rows)");
	} else if (id == TOP_CAUSES) {
		snprintf(head, size, "%s", l->key->text);
	} else if (id == TOP_PROCESSES) {
		snprintf(head, size, "%s", l->key->text);
		snprintf(tail, tail_size, "/%u%s%s%s", l->pid, l->several ? "+" : "", of, host);
	} else {
		ipv4 = addr_is_ipv4(l->key->addr);
		addr_format(&text, l->key->addr);
		snprintf(head, size, "%s%s", ipv4 ? "" : "[", buf_text(&text));
		snprintf(tail, tail_size, "%s:%u%s%s", ipv4 ? "" : "]", l->key->port, of, host);
		buf_free(&text);
	}
}

bool top_line_container(const struct top_model *m, const struct top_line *l, char *out, size_t size)
{
	return top_paths_container(&top_names_of(m)->cgroups, l->cgroup, out, size);
}

/* How many columns it took. */
static unsigned put_name(const struct top_cell *at, const struct top_line *l, enum top_table_id id)
{
	char head[80], tail[56];

	top_line_name(id, l, head, sizeof(head), tail, sizeof(tail));
	return top_put_parts(at->canvas, at->row, at->column, at->width, l->key ? TOP_PLAIN : TOP_DIM, head,
			     tail);
}

static void put_place(const struct top_cell *at, const struct top_line *l)
{
	put_name(at, l, TOP_LISTENERS); /* or a destination */
}

/* With its container, as far as there is room. */
static void put_process(const struct top_cell *at, const struct top_line *l)
{
	unsigned used = put_name(at, l, TOP_PROCESSES) + 1;
	char text[CONTAINER_TEXT];

	if (used + CONTAINER_LEAST <= at->width && top_line_container(at->context->model, l, text, sizeof(text)))
		top_put_parts(at->canvas, at->row, at->column + used, at->width - used, TOP_ACCENT, text,
			      l->containers ? "+" : "");
}

static void put_owner(const struct top_cell *at, const struct top_line *l)
{
	char tail[24];

	snprintf(tail, sizeof(tail), "/%u%s", l->pid, l->several ? "+" : "");
	top_put_parts(at->canvas, at->row, at->column, at->width, l->pid ? TOP_PLAIN : TOP_DIM,
		      l->pid ? l->comm : "-", l->pid ? tail : "");
}

static void put_container(const struct top_cell *at, const struct top_line *l)
{
	char text[CONTAINER_TEXT];
	bool known = top_line_container(at->context->model, l, text, sizeof(text));

	top_put_parts(at->canvas, at->row, at->column, at->width, known ? TOP_PLAIN : TOP_DIM, known ? text : "-",
		      known && l->containers ? "+" : "");
}

static void put_netns(const struct top_cell *at, const struct top_line *l)
{
	char text[16] = "-";

	if (l->key)
		snprintf(text, sizeof(text), "%u", l->key->netns);
	put_text(at, TOP_DIM, text);
}

static enum top_paint fill_paint(const struct top_line *l, uint64_t value)
{
	if (!l->has_queue || !value)
		return TOP_DIM;
	if (value > l->max)
		return TOP_BAD;
	return value > l->max / 2 ? TOP_WARN : TOP_PLAIN;
}

static void put_bar(const struct top_cell *at, const struct top_line *l)
{
	bool utf8 = at->canvas->utf8;
	uint64_t most = top_line_count(l, SLOT_PEAK);
	unsigned len, peak;

	/* An empty bar is an empty queue. */
	if (!l->has_queue) {
		top_put(at->canvas, at->row, at->column, at->width, TOP_DIM, utf8 ? "\u2013" : "-");
		return;
	}
	len = text_bar(l->len, l->max, at->width);
	peak = text_bar(most, l->max, at->width);
	for (unsigned i = 1; i <= at->width; i++) {
		enum top_paint paint = fill_paint(l, i <= len ? l->len : i == peak ? most : 0);
		uint32_t sign = i <= len ? (utf8 ? 0x2588 : '#') : i == peak ? (utf8 ? 0x2502 : '|') :
				(utf8 ? 0x2591 : '.');

		top_put_char(at->canvas, at->row, at->column + i - 1, paint, sign);
	}
}

static void put_queue(const struct top_cell *at, const struct top_line *l)
{
	char text[52], len[24], max[24];

	if (!l->has_queue) {
		put_unknown(at);
		return;
	}
	snprintf(text, sizeof(text), "%s/%s", top_number(l->len, 5, len, sizeof(len)),
		 top_number(l->max, 5, max, sizeof(max)));
	put_text(at, fill_paint(l, l->len), text);
}

static void put_peak(const struct top_cell *at, const struct top_line *l)
{
	uint64_t peak = top_line_count(l, SLOT_PEAK);

	put_counted(at, fill_paint(l, peak), peak, l->has_queue);
}

/* p50/p99/max: lengths, or durations. */
void top_spread_text(const struct spread *s, bool durations, char *out, size_t size)
{
	const uint64_t values[] = { s->p50, s->p99, s->max };
	char text[3][32];

	for (int i = 0; i < 3; i++)
		if (durations)
			text_duration(values[i], text[i], sizeof(text[i]));
		else
			top_number(values[i], 5, text[i], sizeof(text[i]));
	snprintf(out, size, "%s/%s/%s", text[0], text[1], text[2]);
}

static void put_lengths(const struct top_cell *at, const struct top_line *l, const struct spread *s)
{
	char text[100];

	if (!s->known) {
		put_unknown(at);
		return;
	}
	top_spread_text(s, false, text, sizeof(text));
	put_text(at, fill_paint(l, s->p99), text); /* both queues have one limit */
}

static void put_depth(const struct top_cell *at, const struct top_line *l)
{
	put_lengths(at, l, &l->depth);
}

static void put_syn_depth(const struct top_cell *at, const struct top_line *l)
{
	put_lengths(at, l, &l->syn_depth);
}

static void put_wait(const struct top_cell *at, const struct top_line *l)
{
	char text[100];

	if (!l->wait.known) {
		put_unknown(at);
		return;
	}
	top_spread_text(&l->wait, true, text, sizeof(text));
	put_text(at, l->wait.p99 >= NSEC_PER_SEC ? TOP_WARN : TOP_PLAIN, text);
}

static void put_syn_queue(const struct top_cell *at, const struct top_line *l)
{
	if (l->has_syn)
		put_number(at, l->syn_len > l->syn_max / 2 ? TOP_WARN : TOP_PLAIN, l->syn_len);
	else
		put_unknown(at);
}

static void put_refused_syn(const struct top_cell *at, const struct top_line *l)
{
	put_counted(at, TOP_BAD, top_line_count(l, SLOT_REFUSED_SYN), counts_syns(at, l));
}

static void put_refused_ack(const struct top_cell *at, const struct top_line *l)
{
	put_counted(at, TOP_BAD, top_line_count(l, SLOT_REFUSED_ACK), counts_acks(at, l));
}

static uint64_t refused(const struct top_line *l)
{
	return top_line_count(l, SLOT_REFUSED_SYN) + top_line_count(l, SLOT_REFUSED_ACK);
}

static void put_refused(const struct top_cell *at, const struct top_line *l)
{
	put_counted(at, TOP_BAD, refused(l), top_counts_refusals(at->context->model));
}

static void put_cookies(const struct top_cell *at, const struct top_line *l)
{
	put_counted(at, TOP_WARN, top_line_count(l, SLOT_COOKIES), counts_syns(at, l));
}

static void put_drops(const struct top_cell *at, const struct top_line *l)
{
	if (l->has_drops)
		put_number(at, TOP_PLAIN, l->drops);
	else
		put_unknown(at);
}

static void put_oldest(const struct top_cell *at, const struct top_line *l)
{
	char text[32];
	bool known = l->oldest_wait_ns != NS_UNKNOWN;

	if (!l->waiting && !l->has_queue) {
		put_unknown(at);
		return;
	}
	put_text(at, !l->waiting ? TOP_DIM : known && l->oldest_wait_ns >= NSEC_PER_SEC ? TOP_WARN :
		 TOP_PLAIN, !l->waiting ? "-" : known ? text_duration(l->oldest_wait_ns, text, sizeof(text)) :
		 "?");
}

static uint64_t passive_of(const struct top_line *l)
{
	return top_line_count(l, SLOT_HANDSHAKES) - top_line_count(l, SLOT_ACTIVE);
}

static void put_passive(const struct top_cell *at, const struct top_line *l)
{
	put_number(at, TOP_PLAIN, passive_of(l));
}

static void put_rate(const struct top_cell *at, const struct top_line *l)
{
	char text[32];
	uint64_t n = top_line_count(l, SLOT_HANDSHAKES);

	put_text(at, n ? TOP_PLAIN : TOP_DIM, top_rate(n, at->context->seconds, text, sizeof(text)));
}

static enum top_paint cause_paint(const char *code)
{
	const struct cause_row *row = cause_find(code);

	return row && row->paint == PAINT_BAD ? TOP_BAD : row ? TOP_WARN : TOP_BOLD;
}

/* A question mark is for what is only probable. */
static void put_cause(const struct top_cell *at, const struct top_line *l)
{
	const char *code = top_code(top_names_of(at->context->model), l->newest.code);

	if (l->newest.code)
		top_put_parts(at->canvas, at->row, at->column, at->width, cause_paint(code), code,
			      l->newest.flags & TOP_PROVEN ? "" : "?");
}

static void put_code(const struct top_cell *at, const struct top_line *l)
{
	top_put(at->canvas, at->row, at->column, at->width,
		l->key ? cause_paint(l->key->text) : TOP_DIM, l->key ? l->key->text : "others");
}

static void put_last(const struct top_cell *at, const struct top_line *l)
{
	char text[32];

	put_text(at, TOP_PLAIN, l->newest.code ? top_age(l->newest.mono_ns, at->context->now_ns, text,
							 sizeof(text)) : "-");
}

static void put_evidence(const struct top_cell *at, const struct top_line *l)
{
	const char *detail = top_detail(top_names_of(at->context->model), l->newest.detail);

	top_put(at->canvas, at->row, at->column, at->width, TOP_PLAIN, detail ? detail : "-");
}

/* ---- what to sort by ---- */

static uint64_t by_queue(const struct top_line *l)
{
	return l->has_queue ? (uint64_t)((double)l->len / ((double)l->max + 1) * 1e9) : 0;
}

#define BY(name, expression)                                                                  \
	static uint64_t name(const struct top_line *l)                                        \
	{                                                                                     \
		return expression;                                                            \
	}

BY(by_len, l->len)
BY(by_syn_queue, l->syn_len)
BY(by_drops, l->drops)
BY(by_oldest, l->oldest_wait_ns == NS_UNKNOWN ? 0 : l->oldest_wait_ns)
BY(by_depth, l->depth.p99)
BY(by_wait, l->wait.p99)
BY(by_syn_depth, l->syn_depth.p99)
BY(by_handshakes, top_line_count(l, SLOT_HANDSHAKES))
BY(by_last, l->newest.code ? l->newest.mono_ns : 0)
BY(by_netns, l->key ? l->key->netns : 0)
/* A cause that only refused SYNs and ACKs ended no handshake that is known. */
BY(by_harm, top_line_count(l, SLOT_FAILED) + refused(l))

#define WIDE 205
#define WIDER 223
#define NAME .flexible = true, .ascending = true
#define NUM .right = true
#define COUNT(counted, painted) NUM, .slot = counted, .paint = painted
#define LATENCY(quantile) NUM, .latency_at = offsetof(struct top_latency, quantile)

const struct top_pane top_panes[TOP_TABLES] = {
	[TOP_LISTENERS] = { "Listeners", 3, {
		{ "LISTENER", 15, 0, NAME, .put = put_place },
		{ "NETNS", 10, 110, NUM, .mixed = true, .put = put_netns, .value = by_netns },
		{ "OWNER", 15, 0, .ascending = true, .put = put_owner },
		{ "QUEUE", 7, 0, .put = put_bar, .value = by_queue },
		{ "LEN/MAX", 9, 0, NUM, .put = put_queue, .value = by_len },
		{ "PEAK", 5, 100, NUM, .put = put_peak, .slot = SLOT_PEAK },
		{ "SYNQ", 5, 0, NUM, .put = put_syn_queue, .value = by_syn_queue },
		{ "@SYN", 6, 0, NUM, .put = put_refused_syn, .slot = SLOT_REFUSED_SYN },
		{ "@ACK", 6, 0, NUM, .put = put_refused_ack, .slot = SLOT_REFUSED_ACK },
		{ "COOKIE", 6, 120, NUM, .put = put_cookies, .slot = SLOT_COOKIES },
		{ "DROPS", 7, 130, NUM, .put = put_drops, .value = by_drops },
		{ "OLDEST", 6, 0, NUM, .put = put_oldest, .value = by_oldest },
		{ "DEPTH-50/99/MAX", 17, WIDE, NUM, .put = put_depth, .value = by_depth },
		{ "WAIT-50/99/MAX", 22, WIDE, NUM, .put = put_wait, .value = by_wait },
		{ "SYN-50/99/MAX", 17, WIDER, NUM, .put = put_syn_depth, .value = by_syn_depth },
		{ "CONNS", 8, 90, NUM, .put = put_passive, .value = by_handshakes },
		{ "P99", 7, 100, LATENCY(p99) },
		{ "CONTAINER", 31, 158, .contained = true, .ascending = true, .put = put_container } } },
	[TOP_DESTINATIONS] = { "Destinations", 4, {
		{ "DESTINATION", 17, 0, NAME, .put = put_place },
		{ "NETNS", 10, 110, NUM, .mixed = true, .put = put_netns, .value = by_netns },
		{ "CONNS", 8, 0, COUNT(SLOT_ACTIVE, TOP_PLAIN) },
		{ "RATE", 7, 88, NUM, .put = put_rate, .slot = SLOT_HANDSHAKES },
		{ "FAILED", 7, 0, COUNT(SLOT_FAILED, TOP_BAD) },
		{ "RETRANS", 7, 0, COUNT(SLOT_RETRANSMITTED, TOP_WARN) },
		{ "P50", 7, 88, LATENCY(p50) },
		{ "P90", 7, 95, LATENCY(p90) },
		{ "P99", 7, 0, LATENCY(p99) },
		{ "CAUSE", 21, 78, .put = put_cause, .value = by_last, .ascending = false },
		{ "PROCESS", 16, 120, .ascending = true, .put = put_owner } } },
	[TOP_PROCESSES] = { "Processes", 3, {
		{ "PROCESS", 17, 0, NAME, .put = put_process },
		{ "ACTIVE", 8, 0, COUNT(SLOT_ACTIVE, TOP_PLAIN) },
		{ "PASSIVE", 8, 0, NUM, .put = put_passive, .value = passive_of },
		{ "FAILED", 7, 0, COUNT(SLOT_FAILED, TOP_BAD) },
		{ "RETRANS", 7, 0, COUNT(SLOT_RETRANSMITTED, TOP_WARN) },
		{ "P50", 7, 88, LATENCY(p50) },
		{ "P99", 7, 0, LATENCY(p99) },
		{ "CAUSE", 21, 85, .put = put_cause, .value = by_last, .ascending = false } } },
	[TOP_CAUSES] = { "Causes", 2, {
		{ "CAUSE", 22, 0, .ascending = true, .put = put_code },
		{ "CONNS", 7, 0, COUNT(SLOT_HANDSHAKES, TOP_PLAIN) },
		{ "FAILED", 7, 0, COUNT(SLOT_FAILED, TOP_BAD), .value = by_harm },
		{ "REFUSED", 7, 0, NUM, .put = put_refused, .value = refused },
		{ "PROVEN", 7, 100, COUNT(SLOT_PROVEN, TOP_PLAIN) },
		{ "LAST", 5, 0, NUM, .put = put_last, .value = by_last },
		{ "NEWEST EVIDENCE", 15, 0, NAME, .put = put_evidence, .value = by_last } } },
};

unsigned top_column_count(enum top_table_id id)
{
	unsigned n = 0;

	while (n < TOP_PANE_COLUMNS && top_panes[id].columns[n].title)
		n++;
	return n;
}

/* ---- what a column shows of itself, and sorts by ---- */

static uint64_t latency_of(const struct top_column *column, const struct top_line *l)
{
	uint64_t ns;

	memcpy(&ns, (const char *)&l->latency + column->latency_at, sizeof(ns));
	return ns;
}

void top_put_cell(const struct top_cell *at, const struct top_column *column, const struct top_line *l)
{
	if (column->put)
		column->put(at, l);
	else if (column->slot)
		put_number(at, column->paint, top_line_count(l, column->slot));
	else
		put_duration(at, l, latency_of(column, l));
}

static bool has_value(const struct top_column *column)
{
	return column->value || column->slot || column->latency_at;
}

static uint64_t value_of(const struct top_column *column, const struct top_line *l)
{
	if (column->value)
		return column->value(l);
	return column->slot ? top_line_count(l, column->slot) : latency_of(column, l);
}

/* ---- sorting ---- */

struct sorting {
	const struct top_model *model;
	enum top_table_id id;
	const struct top_column *column;
	bool descending;
};

static int by_name(enum top_table_id id, const struct top_line *a, const struct top_line *b)
{
	int order;

	if (!a->key || !b->key)
		return !a->key - !b->key;
	if (id == TOP_PROCESSES || id == TOP_CAUSES)
		order = strcmp(a->key->text, b->key->text);
	else
		order = memcmp(a->key->addr, b->key->addr, sizeof(a->key->addr));
	if (!order)
		order = a->key->port < b->key->port ? -1 : a->key->port > b->key->port;
	if (!order)
		order = a->key->netns < b->key->netns ? -1 : a->key->netns > b->key->netns;
	return order || id == TOP_CAUSES ? order : a->key->host < b->key->host ? -1 : a->key->host > b->key->host;
}

static int by_container(const struct top_model *m, const struct top_line *a, const struct top_line *b)
{
	char x[CONTAINER_TEXT], y[CONTAINER_TEXT];
	bool in_one = top_line_container(m, a, x, sizeof(x));

	/* Those in none stand last. */
	return in_one != top_line_container(m, b, y, sizeof(y)) ? (in_one ? -1 : 1) : strcmp(x, y);
}

static int compare(const void *x, const void *y, void *ctx)
{
	const struct sorting *s = ctx;
	const struct top_line *a = x, *b = y;
	int order = 0;

	if (!a->key != !b->key) /* others stand last */
		return !a->key - !b->key;
	if (has_value(s->column)) {
		uint64_t i = value_of(s->column, a), j = value_of(s->column, b);

		order = i < j ? -1 : i > j;
	} else if (s->column->put == put_owner) {
		order = strcmp(a->comm, b->comm);
	} else if (s->column->put == put_container) {
		order = by_container(s->model, a, b);
	} else {
		order = by_name(s->id, a, b);
	}
	if (order)
		return s->descending ? -order : order;
	/* What is equal: the busier first, then by name, so that nothing dances. */
	if (by_handshakes(a) != by_handshakes(b))
		return by_handshakes(a) > by_handshakes(b) ? -1 : 1;
	return by_name(s->id, a, b);
}

void top_sort(const struct top_model *m, enum top_table_id id, unsigned column, bool reversed, struct top_line *lines,
	      size_t count)
{
	struct sorting s = { .model = m, .id = id, .column = &top_panes[id].columns[column] };

	s.descending = s.column->ascending && !has_value(s.column) ? reversed : !reversed;
	qsort_r(lines, count, sizeof(*lines), compare, &s);
}
