// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Ends of connections as lines, in the columns of the handshakes. */
#include "cli/tail/render.h"
#include "cli/tail/render_parts.h"

#include <linux/types.h>
#include <string.h>

#include "common/duration.h"
#include "common/names.h"

static enum paint how_paint(const char *how)
{
	static const enum paint paints[HOWS] = { [HOW_FIN] = PAINT_NONE, [HOW_RESET] = PAINT_WARN, [HOW_TIMEOUT] = PAINT_BAD };
	int number = name_index(close_how_names, HOWS, how, strlen(how));

	return number < 0 ? PAINT_BOLD : paints[number];
}

/* How long it lasted stands where a handshake has its latency; then who ended it, and how long each step of that took. */
void render_close(struct line *l, const struct record *r)
{
	const struct record_close *c = &r->close;
	struct buf extras = { 0 }, spare = { 0 };
	struct line e = { .out = &extras, .style = l->style };
	struct line none = { .out = &spare, .style = l->style };
	char text[32] = "-";

	render_time(l, r);
	if (render_is_wide(l->style))
		line_cell(l, PAINT_NONE, "close", ROLE_WIDTH + 1);
	else
		render_extra(&e, PAINT_NONE, NULL, "close");
	line_cell(l, how_paint(c->how), c->how, OUTCOME_WIDTH + 1);
	if (c->duration_ns != NS_UNKNOWN)
		duration_format(c->duration_ns, text, sizeof(text));
	line_cell_right(l, PAINT_BOLD, text, LATENCY_WIDTH);
	line_put(l, PAINT_NONE, " ");
	render_endpoints(l, &c->local, c->role < 0 ? ROLE_ACTIVE : c->role, &c->remote);
	if (c->first)
		render_extra(&e, PAINT_NONE, "first", c->first);
	if (c->call)
		render_extra(&e, PAINT_NONE, "call", c->call);
	for (int state = 0; state < CLOSE_STATES; state++)
		if (c->spent_ns[state] != NS_UNKNOWN)
			render_extra(&e, PAINT_NONE, close_state_names[state],
				     duration_format(c->spent_ns[state], text, sizeof(text)));
	if (c->time_wait)
		render_extra(&e, PAINT_NONE, NULL, "time_wait");
	render_rest(l, &c->owner, &e, &none);
	line_end(l);
}
