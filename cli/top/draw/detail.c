// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/top/draw/detail.h"
#include "cli/feed/causes.h"
#include "cli/top/draw/columns.h"
#include "cli/top/draw/numbers.h"
#include "cli/top/draw/panes.h"

#include <stdio.h>
#include <string.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/names.h"

#define RECORDS 512

/* ---- records ---- */

static void put_end(struct top_canvas *c, unsigned row, unsigned column, unsigned width,
		    const uint8_t *addr, uint16_t port, bool known)
{
	struct buf text = { 0 };
	char tail[16];
	bool ipv4 = addr_is_ipv4(addr);

	if (!known) {
		top_put(c, row, column, width, TOP_DIM, "-");
		return;
	}
	buf_str(&text, ipv4 ? "" : "[");
	addr_format(&text, addr);
	snprintf(tail, sizeof(tail), "%s:%u", ipv4 ? "" : "]", port);
	top_put_parts(c, row, column, width, TOP_PLAIN, buf_text(&text), tail);
	buf_free(&text);
}

static enum top_paint outcome_paint(const struct top_fact *f)
{
	if (f->kind == TOP_OVERFLOW || f->outcome != OUTCOME_ESTABLISHED)
		return TOP_BAD;
	return f->retransmits ? TOP_WARN : TOP_GOOD;
}

static const char *word_of(const struct top_fact *f, char *out, size_t size)
{
	if (f->kind == TOP_HANDSHAKE)
		return f->outcome < OUTCOMES ? outcome_names[f->outcome] : "?";
	snprintf(out, size, "%s %s", f->flags & TOP_COOKIE ? "cookie" : "refused",
		 f->flags & TOP_AT_ACK ? "ack" : "syn");
	return out;
}

/* What was unusual: its cause, and what was sent again; and in which container it was. */
static void put_extras(struct top_canvas *c, const struct top_names *names, unsigned row,
		       unsigned column, const struct top_fact *f)
{
	char text[64], wait[24], container[CONTAINER_TEXT];

	if (f->code) {
		column += top_put_parts(c, row, column, c->columns - column, outcome_paint(f),
					top_code(names, f->code), f->flags & TOP_PROVEN ? "" : "?") + 1;
	}
	if (f->retransmits) {
		snprintf(text, sizeof(text), "retransmits=%u%s%s", f->retransmits,
			 f->wait_ns == NS_UNKNOWN ? "" : " wait=",
			 f->wait_ns == NS_UNKNOWN ? "" : text_duration(f->wait_ns, wait, sizeof(wait)));
		if (column < c->columns)
			column += top_put(c, row, column, c->columns - column, TOP_WARN, text) + 1;
	}
	if (column < c->columns && top_paths_container(&names->cgroups, f->cgroup, container, sizeof(container))) {
		column += top_put(c, row, column, c->columns - column, TOP_DIM, "container=");
		if (column < c->columns)
			top_put(c, row, column, c->columns - column, TOP_PLAIN, container);
	}
}

static void draw_record(struct top_canvas *c, const struct top_view *v, unsigned row,
			const struct top_fact *f)
{
	bool wide = c->columns >= 110;
	unsigned column = 0, width = wide ? 28 : 22;
	char text[64];

	top_put(c, row, column, 12, TOP_DIM, top_clock(v->model, f->mono_ns, true, text, sizeof(text)));
	column += 13;
	top_put(c, row, column, 11, outcome_paint(f), word_of(f, text, sizeof(text)));
	column += 12;
	if (f->kind == TOP_OVERFLOW)
		snprintf(text, sizeof(text), "x%u", f->count);
	else if (f->latency_ns == NS_UNKNOWN)
		snprintf(text, sizeof(text), "-");
	else
		text_duration(f->latency_ns, text, sizeof(text));
	top_put_right(c, row, column, 7, TOP_PLAIN, text);
	column += 8;
	if (wide) {
		put_end(c, row, column, width, f->local, f->local_port, f->flags & TOP_LOCAL);
		column += width + 1;
	}
	top_put(c, row, column, 2, TOP_DIM, f->kind == TOP_HANDSHAKE && f->role == ROLE_ACTIVE ?
		(c->utf8 ? "\u2192" : "->") : (c->utf8 ? "\u2190" : "<-"));
	column += 3;
	put_end(c, row, column, width, f->remote, f->remote_port, f->flags & TOP_REMOTE);
	column += width + 1;
	if (wide) {
		snprintf(text, sizeof(text), "/%u", f->pid);
		top_put_parts(c, row, column, 18, TOP_PLAIN, f->flags & TOP_PROCESS ? f->comm : "-",
			      f->flags & TOP_PROCESS ? text : "");
		column += 19;
	}
	put_extras(c, top_names_of(v->model), row, column, f);
}

/* ---- causes ---- */

static unsigned draw_causes(struct top_canvas *c, const struct top_view *v, struct top_area area,
			    const struct top_focus *focus)
{
	unsigned used = 0, most = area.rows / 4 ? area.rows / 4 : 1;

	if (!focus->tally_count) {
		top_put(c, area.row, 0, c->columns, TOP_DIM, "no causes in this window");
		return 1;
	}
	for (unsigned i = 0; i < focus->tally_count && used < most; i++) {
		const struct top_tally *t = &focus->tallies[i];
		const char *code = top_code(top_names_of(v->model), t->code);
		const struct cause_row *row = cause_find(code);
		char text[400];
		unsigned column;

		column = top_put(c, area.row + used, 0, 26, row && row->paint == PAINT_BAD ? TOP_BAD : TOP_WARN,
				 code) + 1;
		snprintf(text, sizeof(text), "%llu handshakes, %llu refused  %s",
			 (unsigned long long)t->handshakes, (unsigned long long)t->refused,
			 row ? row->advice : "");
		top_put(c, area.row + used++, column, c->columns - column, TOP_PLAIN, text);
	}
	return used;
}

static void draw_outcomes(struct top_canvas *c, unsigned row, const struct top_focus *focus)
{
	unsigned column = 0;
	char text[64];

	for (unsigned i = 0; i <= OUTCOMES; i++) {
		if (!focus->outcomes[i] || column >= c->columns)
			continue;
		snprintf(text, sizeof(text), "%s %llu  ", i < OUTCOMES ? outcome_names[i] : "other",
			 (unsigned long long)focus->outcomes[i]);
		column += top_put(c, row, column, c->columns - column,
				  i == OUTCOME_ESTABLISHED ? TOP_GOOD : TOP_BAD, text);
	}
}

static const struct top_line *line_of(struct top_view *v, const struct top_span *span)
{
	enum top_table_id id = v->ui->detail_of;
	struct top_line *lines;
	size_t count = top_lines_of(v->queries[id], v->model, id, span, &lines);

	for (size_t i = 0; i < count; i++)
		if (lines[i].row == v->ui->detail_row)
			return &lines[i];
	return NULL;
}

/* Who listens there, and in which container; of a process and of who connects, the container. */
static void draw_owner(struct top_canvas *c, const struct top_view *v, const struct top_line *l, unsigned row, unsigned column)
{
	char container[CONTAINER_TEXT], text[CONTAINER_TEXT + 64] = "";
	bool contained = top_line_container(v->model, l, container, sizeof(container));

	if (v->ui->detail_of == TOP_LISTENERS && l->pid)
		snprintf(text, sizeof(text), " of %s/%u%s", l->comm, l->pid, l->several ? "+" : "");
	if (contained)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s %s",
			 v->ui->detail_of == TOP_DESTINATIONS ? "from" : "in", container);
	if (*text && column < c->columns)
		top_put_parts(c, row, column, c->columns - column, TOP_ACCENT, text, contained && l->containers ? "+ " : " ");
}

static void draw_name(struct top_canvas *c, struct top_view *v, const struct top_line *l,
		      unsigned row)
{
	static const char *const kinds[TOP_TABLES] = { "Listener", "Destination", "Process", "Cause" };
	char head[80] = "nothing in this window", tail[56] = "", text[160];
	unsigned used;

	if (l)
		top_line_name(v->ui->detail_of, l, head, sizeof(head), tail, sizeof(tail));
	snprintf(text, sizeof(text), " %s %s%s ", kinds[v->ui->detail_of], head, tail);
	used = top_put(c, row, 0, c->columns, TOP_ACTIVE, text);
	for (unsigned i = used; i < c->columns; i++)
		top_put_char(c, row, i, TOP_DIM, c->utf8 ? 0x2500 : '-');
	if (l && v->ui->detail_of != TOP_CAUSES)
		draw_owner(c, v, l, row, used + 1);
	top_put_right(c, row, 0, c->columns - 2, TOP_DIM, " Esc: back ");
}

/*
 * The next of them, and the time of the oldest; nothing where it is not known or old. `joined`: who joined a queue; NULL:
 * it is of durations.
 */
static void put_spread(struct buf *b, const struct top_view *v, const char *what, const struct spread *s, uint64_t at_ns,
		       const char *joined, uint64_t *oldest_ns)
{
	char text[100];

	if (!s->known || v->now_ns > at_ns + TOP_SPREAD_OLD_NS)
		return;
	if (at_ns < *oldest_ns)
		*oldest_ns = at_ns;
	top_spread_text(s, !joined, text, sizeof(text));
	buf_format(b, "%s%s %s", b->len ? ", " : "", what, text);
	if (joined)
		buf_format(b, " of %llu %s", (unsigned long long)s->count, joined);
}

static void put_note(struct buf *b, const char *note)
{
	if (*note)
		buf_format(b, "; %s", note);
}

/* What those that came found before them, and how long they waited. */
static void draw_spreads(struct top_canvas *c, const struct top_view *v, const struct top_line *l, unsigned row)
{
	const struct evidence *e = top_evidence_of(v->model);
	uint64_t oldest_ns = UINT64_MAX;
	struct buf text = { 0 };
	char at[32], note[200];

	if (!l->depth.known && !l->syn_depth.known) {
		top_put(c, row, 0, c->columns, TOP_DIM, "no distribution of these queues is kept, or nobody came");
		return;
	}
	put_spread(&text, v, "accept queue", &l->depth, l->depth_ns, "connections", &oldest_ns);
	put_spread(&text, v, "accept wait", &l->wait, l->wait_ns, NULL, &oldest_ns);
	put_spread(&text, v, "SYN queue", &l->syn_depth, l->syn_depth_ns, "requests", &oldest_ns);
	if (!text.len) {
		top_put(c, row, 0, c->columns, TOP_DIM, "no record of these queues in the last minute");
		return;
	}
	buf_format(&text, ": p50/p99/max of the 30 to 60 s before its last record (%s)",
		   top_clock(v->model, oldest_ns, false, at, sizeof(at)));
	if (!l->wait.known)
		put_note(&text, evidence_of_waits(e, note, sizeof(note)));
	if (!l->syn_depth.known)
		put_note(&text, evidence_of_requests(e, note, sizeof(note)));
	top_put(c, row, 0, c->columns, TOP_PLAIN, buf_text(&text));
	buf_free(&text);
}

void top_draw_detail(struct top_canvas *c, struct top_view *v, const struct top_span *span,
		     struct top_area area)
{
	const struct top_fact *facts[RECORDS];
	const struct top_line *l = line_of(v, span);
	struct top_focus focus;
	unsigned row = area.row, end = area.row + area.rows;
	size_t max = area.rows < RECORDS ? area.rows : RECORDS;
	char text[120];

	top_focus_of(v->model, v->ui->detail_of, v->ui->detail_row, span, v->ui->detail_skip, facts,
		     max, &focus);
	draw_name(c, v, l, row++);
	if (l && area.rows >= 10) {
		top_draw_line(c, v, v->ui->detail_of, span, l, row);
		row += 2;
		if (v->ui->detail_of == TOP_LISTENERS)
			draw_spreads(c, v, l, row++);
	}
	draw_outcomes(c, row++, &focus);
	row += draw_causes(c, v, (struct top_area){ row, 0, end - row, c->columns }, &focus);
	snprintf(text, sizeof(text), "LAST RECORDS%s%s", focus.skipped ? ", some newer ones left out" : "",
		 focus.covered ? "" : "; causes as far as records are still kept");
	top_put(c, row++, 0, c->columns, TOP_DIM, text);
	v->ui->detail_page = end > row ? end - row : 0;
	/* Scrolled to the end: no further. */
	v->ui->detail_skip = focus.skipped;
	for (size_t i = 0; i < focus.fact_count && row < end; i++)
		draw_record(c, v, row++, facts[i]);
	if (!focus.fact_count)
		top_put(c, row, 0, c->columns, TOP_DIM, "no record of it is kept any more");
}

void top_draw_help(struct top_canvas *c, struct top_area area)
{
	unsigned row = area.row;

	for (const struct top_help *h = top_help; h->keys && row < area.row + area.rows; h++, row++) {
		top_put(c, row, 2, 22, TOP_ACCENT, h->keys);
		top_put(c, row, 25, c->columns - 25, TOP_PLAIN, h->what);
	}
	row++;
	if (row + 4 < area.row + area.rows)
		top_put_wrapped(c, row, 2, c->columns - 4, area.row + area.rows - row, TOP_DIM,
				"A window is whole seconds before the time at the top; since start is all that "
				"came. Latencies are of established handshakes. @SYN and @ACK are segments that "
				"a full queue refused; lost are records that did not reach this screen. A + after "
				"a process means: and others of that name. A ? after a cause: probable, not "
				"proven. A dash where a number should be: nobody can know it on that host.");
}
