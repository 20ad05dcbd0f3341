// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/top/draw/panes.h"
#include "cli/top/draw/columns.h"
#include "cli/top/draw/numbers.h"

#include <stdio.h>
#include <string.h>

#define GAP 1 /* between columns */

struct layout {
	unsigned widths[TOP_PANE_COLUMNS]; /* 0: not shown */
};

static struct layout lay_out(enum top_table_id id, unsigned columns, const struct top_info *info)
{
	const struct top_pane *pane = &top_panes[id];
	struct layout l = { { 0 } };
	unsigned used = 0, flexible = 0;

	for (unsigned i = 0; i < top_column_count(id); i++) {
		const struct top_column *column = &pane->columns[i];

		if (columns < column->from || (column->mixed && !info->mixed) || (column->contained && !info->contained))
			continue;
		l.widths[i] = column->width;
		used += column->width + GAP;
		flexible = column->flexible ? i : flexible;
	}
	if (used - GAP < columns)
		l.widths[flexible] += columns - (used - GAP);
	/* Bars say more when they are longer; a name needs no more than it has. */
	if (id == TOP_LISTENERS && l.widths[0] > 48) {
		unsigned more = l.widths[0] - 48 < 24 ? l.widths[0] - 48 : 24;

		l.widths[0] -= more;
		l.widths[3] += more;
	}
	return l;
}

static void draw_titles(struct top_canvas *c, const struct top_ui *ui, enum top_table_id id,
			const struct layout *l, unsigned row, unsigned column)
{
	const struct top_pane *pane = &top_panes[id];

	for (unsigned i = 0; i < top_column_count(id); i++) {
		const struct top_column *t = &pane->columns[i];
		enum top_paint paint = i == ui->sort[id] ? TOP_BOLD : TOP_DIM;

		if (!l->widths[i])
			continue;
		if (t->right)
			top_put_right(c, row, column, l->widths[i], paint, t->title);
		else
			top_put(c, row, column, l->widths[i], paint, t->title);
		column += l->widths[i] + GAP;
	}
}

/* Where the chosen row stands now; if it is gone, what stands in its place. */
static void find_selected(struct top_ui *ui, enum top_table_id id, const struct top_line *lines,
			  size_t count, size_t visible)
{
	struct top_order *o = &ui->order[id];
	size_t place = ui->chosen[id] ? o->selected : 0;

	o->count = count;
	o->visible = visible;
	for (size_t i = 0; i < count; i++) {
		o->rows[i] = lines[i].row;
		if (ui->chosen[id] && lines[i].row == ui->selected[id])
			place = i;
	}
	o->selected = !count ? 0 : place < count ? place : count - 1;
	if (o->selected < o->first)
		o->first = o->selected;
	if (visible && o->selected >= o->first + visible)
		o->first = o->selected - visible + 1;
	if (o->first + visible > count)
		o->first = count > visible ? count - visible : 0;
}

/* The newest evidence of the chosen row, in full. */
static void draw_evidence(struct top_canvas *c, const struct top_view *v, const struct top_line *l,
			  struct top_area area)
{
	const char *detail = top_detail(top_names_of(v->model), l->newest.detail);
	const char *code = top_code(top_names_of(v->model), l->newest.code);
	char text[TOP_DETAIL + 120], age[24];

	if (!l->newest.code)
		return;
	top_age(l->newest.mono_ns, v->now_ns, age, sizeof(age));
	snprintf(text, sizeof(text), "%s, %s, %s%s: %s", code,
		 l->newest.flags & TOP_PROVEN ? "proven" : "probable", age,
		 strcmp(age, "now") == 0 ? "" : " ago", detail ? detail : "(its sentence is gone)");
	top_put_wrapped(c, area.row, area.column, area.columns, area.rows, TOP_WARN, text);
}

static void draw_row(struct top_canvas *c, const struct top_context *context, enum top_table_id id,
		     const struct layout *l, const struct top_line *line, unsigned row,
		     unsigned column)
{
	struct top_cell at = { .canvas = c, .row = row, .column = column, .context = context };

	for (unsigned i = 0; i < top_column_count(id); i++) {
		if (!l->widths[i])
			continue;
		at.width = l->widths[i];
		top_put_cell(&at, &top_panes[id].columns[i], line);
		at.column += at.width + GAP;
	}
}

static struct top_context context_of(const struct top_view *v, const struct top_span *span)
{
	return (struct top_context){ .model = v->model, .now_ns = v->now_ns, .seconds = span->seconds };
}

static void draw_rows(struct top_canvas *c, const struct top_view *v, enum top_table_id id,
		      const struct top_span *span, const struct layout *l,
		      const struct top_line *lines, struct top_area area)
{
	struct top_context context = context_of(v, span);
	const struct top_order *o = &v->ui->order[id];

	for (size_t i = o->first; i < o->count && i < o->first + o->visible; i++) {
		unsigned row = area.row + (unsigned)(i - o->first);

		draw_row(c, &context, id, l, &lines[i], row, area.column);
		if (i == o->selected && v->ui->pane == id && !v->report)
			top_select(c, row, area.column, area.columns);
	}
}

void top_draw_line(struct top_canvas *c, const struct top_view *v, enum top_table_id id,
		   const struct top_span *span, const struct top_line *line, unsigned row)
{
	struct top_info info = top_info_of(v->model);
	struct layout l = lay_out(id, c->columns, &info);
	struct top_context context = context_of(v, span);

	draw_titles(c, v->ui, id, &l, row, 0);
	draw_row(c, &context, id, &l, line, row + 1, 0);
}

static void draw_name(struct top_canvas *c, const struct top_view *v, enum top_table_id id,
		      struct top_area area, size_t count)
{
	const struct top_ui *ui = v->ui;
	const struct top_order *o = &ui->order[id];
	bool active = ui->pane == id;
	char text[120];
	unsigned used;

	snprintf(text, sizeof(text), " %u %s %zu ", id + 1, top_panes[id].title, count);
	used = top_put(c, area.row, area.column, area.columns, active ? TOP_ACTIVE : TOP_ACCENT, text);
	for (unsigned i = used; i < area.columns; i++)
		top_put_char(c, area.row, area.column + i, TOP_DIM, c->utf8 ? 0x2500 : '-');
	if (o->visible < count)
		snprintf(text, sizeof(text), " %zu-%zu of %zu ", o->first + 1, o->first + o->visible, count);
	else
		snprintf(text, sizeof(text), " by %s%s ", top_panes[id].columns[ui->sort[id]].title,
			 ui->reversed[id] ? " reversed" : "");
	top_put_right(c, area.row, area.column + used, area.columns - used - 2, TOP_DIM, text);
}

/* What came, and no more: what nobody looked for is not said to be none. */
static void draw_nothing(struct top_canvas *c, const struct top_view *v, enum top_table_id id,
			 struct top_area area)
{
	static const char *const nothing[TOP_TABLES] = {
		[TOP_DESTINATIONS] = "no connection to anywhere was seen in this window",
		[TOP_PROCESSES] = "no process was seen to connect or to be connected to in this window",
		[TOP_CAUSES] = "no handshake of this window has a cause: none was seen to fail or to be "
			       "sent again",
	};
	char text[200];

	top_put_wrapped(c, area.row, area.column, area.columns, area.rows, TOP_DIM,
			id == TOP_LISTENERS ? evidence_no_listeners(top_evidence_of(v->model), text,
								    sizeof(text)) :
					      nothing[id]);
}

static const char *note_of(const struct top_view *v, enum top_table_id id, char *out, size_t size)
{
	const struct evidence *e = top_evidence_of(v->model);
	char why[200];

	*out = '\0';
	if (id == TOP_LISTENERS)
		evidence_of_queues(e, out, size);
	if (id == TOP_CAUSES && evidence_lacks(e, SIGHT_SYNS))
		snprintf(out, size, "a full queue's refused SYNs are not seen here (%s)",
			 evidence_reasons(e, SIGHT_SYNS, why, sizeof(why)));
	return out;
}

unsigned top_note_rows(const struct top_view *v, enum top_table_id id, unsigned columns)
{
	struct top_canvas none = { .rows = 0, .columns = columns };
	char text[320];

	if (!*note_of(v, id, text, sizeof(text)))
		return 0;
	return top_put_wrapped(&none, 0, 0, columns, 4, TOP_DIM, text);
}

static void draw_note(struct top_canvas *c, const struct top_view *v, enum top_table_id id,
		      struct top_area area)
{
	char text[320];

	top_put_wrapped(c, area.row, area.column, area.columns, area.rows, TOP_DIM,
			note_of(v, id, text, sizeof(text)));
}

void top_draw_pane(struct top_canvas *c, struct top_view *v, enum top_table_id id,
		   const struct top_span *span, struct top_area area, bool alone)
{
	struct top_info info = top_info_of(v->model);
	struct top_line *lines;
	size_t count = top_lines_of(v->queries[id], v->model, id, span, &lines);
	struct layout l = lay_out(id, area.columns, &info);
	unsigned top = alone ? 1 : 2, evidence = 0, note = top_note_rows(v, id, area.columns);
	struct top_area body = area;

	if (area.rows < top + 1)
		return;
	/* In the pane that takes the keys, with what room is left. */
	if (v->ui->pane == id && !v->report && area.rows >= top + 6)
		evidence = 2;
	top_sort(v->model, id, v->ui->sort[id], v->ui->reversed[id], lines, count);
	body.row += top;
	body.rows -= top + evidence;
	/* It stands below the rows, where there is room for some. */
	if (body.rows < note + 1)
		note = 0;
	body.rows -= note;
	find_selected(v->ui, id, lines, count, body.rows);
	if (!alone)
		draw_name(c, v, id, area, count);
	draw_titles(c, v->ui, id, &l, area.row + top - 1, area.column);
	if (count)
		draw_rows(c, v, id, span, &l, lines, body);
	else
		draw_nothing(c, v, id, body);
	body.row += body.rows;
	body.rows = note;
	draw_note(c, v, id, body);
	body.row += note;
	body.rows = evidence;
	if (evidence && count)
		draw_evidence(c, v, &lines[v->ui->order[id].selected], body);
}

void top_draw_tabs(struct top_canvas *c, struct top_view *v, const struct top_span *span,
		   unsigned row)
{
	unsigned at = 0;
	char text[64];

	for (unsigned i = 0; i < c->columns; i++)
		top_put_char(c, row, i, TOP_DIM, c->utf8 ? 0x2500 : '-');
	for (enum top_table_id id = 0; id < TOP_TABLES; id++) {
		struct top_line *lines;
		size_t count = top_lines_of(v->queries[id], v->model, id, span, &lines);

		snprintf(text, sizeof(text), " %u %s %zu ", id + 1, top_panes[id].title, count);
		at += top_put(c, row, at, c->columns - at,
			      id == v->ui->pane ? TOP_ACTIVE : TOP_ACCENT, text) + 1;
	}
}
