// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Resets, retransmits and drops as lines, in the columns of the handshakes. */
#include "cli/tail/render.h"
#include "cli/tail/render_parts.h"

#include <linux/types.h>
#include <stdio.h>

#include "common/names.h"
#include "common/duration.h"

/* Ordinary ends of connections are no news; the rest is in bold. */
static enum paint reset_paint(const char *cause)
{
	static const enum paint paints[RESET_CAUSES] = {
		[RESET_PORT_CLOSED] = PAINT_BAD, [RESET_REFUSED] = PAINT_BAD,
		[RESET_ABORT_ON_OVERFLOW] = PAINT_BAD, [RESET_INVALID] = PAINT_WARN,
		[RESET_ABORT] = PAINT_WARN, [RESET_PEER] = PAINT_WARN,
		[RESET_NO_CONNECTION] = PAINT_NONE, [RESET_LATE] = PAINT_NONE,
	};
	int number = name_index(reset_cause_names, RESET_CAUSES, cause, strlen(cause));

	return number < 0 ? PAINT_BOLD : paints[number];
}

void render_reset(struct line *l, const struct record *r)
{
	const struct record_reset *s = &r->reset;
	struct buf extras = { 0 }, spare = { 0 };
	struct line e = { .out = &extras, .style = l->style };
	struct line none = { .out = &spare, .style = l->style };
	size_t end;

	render_time(l, r);
	if (render_is_wide(l->style))
		line_cell(l, PAINT_NONE, s->sent ? "RST out" : "RST in", ROLE_WIDTH + 1);
	/* There is no latency: the cause has both columns. The arrow says who sent it. */
	end = l->columns + OUTCOME_WIDTH + 1 + LATENCY_WIDTH;
	if (!render_is_wide(l->style))
		line_put(l, PAINT_NONE, "RST ");
	line_put(l, reset_paint(s->cause), s->cause);
	line_pad(l, end);
	line_put(l, PAINT_NONE, " ");
	render_endpoints(l, &s->local, s->sent ? ROLE_ACTIVE : ROLE_PASSIVE, &s->remote);
	render_extra(&e, PAINT_NONE, "phase", s->phase);
	if (s->reason)
		render_extra(&e, PAINT_NONE, "reason", s->reason);
	render_rest(l, &s->owner, &e, &none);
	render_detail(l, s->detail);
	line_end(l);
}

void render_retransmit(struct line *l, const struct record *r)
{
	const struct record_retransmit *s = &r->retransmit;
	struct buf extras = { 0 }, spare = { 0 };
	struct line e = { .out = &extras, .style = l->style };
	struct line none = { .out = &spare, .style = l->style };
	bool syn = strcmp(s->segment, "syn") == 0;
	const char *segment = s->syn_ack ? "SYN-ACK" : syn ? "SYN" : s->segment;
	char text[32] = "-";

	render_time(l, r);
	if (render_is_wide(l->style))
		line_cell(l, PAINT_NONE, segment, ROLE_WIDTH + 1);
	else
		render_extra(&e, PAINT_NONE, NULL, segment);
	line_cell(l, PAINT_WARN, "retransmit", OUTCOME_WIDTH + 1);
	if (s->elapsed_ns != NS_UNKNOWN)
		duration_format(s->elapsed_ns, text, sizeof(text));
	line_cell_right(l, PAINT_BOLD, text, LATENCY_WIDTH);
	line_put(l, PAINT_NONE, " ");
	render_endpoints(l, &s->local, s->syn_ack ? ROLE_PASSIVE : ROLE_ACTIVE, &s->remote);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)s->attempt);
	render_extra(&e, PAINT_WARN, "attempt", text);
	if (s->acked)
		render_extra(&e, PAINT_BAD, NULL, "acked");
	render_rest(l, &s->owner, &e, &none);
	line_end(l);
}

void render_drop(struct line *l, const struct record *r)
{
	static const char *const shown[DROP_SEGMENTS] = { "SYN", "SYN-ACK", "ACK" };
	const struct record_drop *d = &r->drop;
	int number = name_index(drop_segment_names, DROP_SEGMENTS, d->segment, strlen(d->segment));
	const char *segment = number < 0 ? d->segment : shown[number];
	struct buf extras = { 0 }, spare = { 0 };
	struct line e = { .out = &extras, .style = l->style };
	struct line none = { .out = &spare, .style = l->style };

	render_time(l, r);
	if (render_is_wide(l->style))
		line_cell(l, PAINT_NONE, segment, ROLE_WIDTH + 1);
	else
		render_extra(&e, PAINT_NONE, NULL, segment);
	line_cell(l, PAINT_BAD, d->out ? "drop out" : "drop in", OUTCOME_WIDTH + 1);
	line_cell_right(l, PAINT_NONE, "-", LATENCY_WIDTH);
	line_put(l, PAINT_NONE, " ");
	/* The arrow says who sent it. */
	render_endpoints(l, &d->local, d->out ? ROLE_ACTIVE : ROLE_PASSIVE, &d->remote);
	render_extra(&e, PAINT_BAD, "reason", d->reason);
	render_rest(l, &d->owner, &e, &none);
	line_end(l);
}
