/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets by state as tables, and as JSON. Pure. */
#ifndef TCPSHAKE_STATES_RENDER_H
#define TCPSHAKE_STATES_RENDER_H

#include "cli/states/look.h"
#include "cli/text/terminal.h"

#include "common/buf.h"

/* What is to be shown of a look. */
struct states_shown {
	const struct states *states; /* sorted */
	const struct states_look *look;
	uint32_t by_mask; /* 1 << enum states_by; 0: all */
	uint64_t pause_ns; /* until the next look; 0: there is none */
	bool filtered;
};

/* At most `rows` lines where that can be; SIZE_MAX: all of it. */
void states_render(struct buf *b, const struct style *style, const struct states_shown *shown, size_t rows);
/* A line for each group, and one that sums up: schemas/states.schema.json, states_summary.schema.json. */
void states_json(struct buf *b, const struct states_shown *shown);

static inline bool states_is_shown(const struct states_shown *shown, enum states_by by)
{
	return !shown->by_mask || shown->by_mask & 1U << by;
}

#endif
