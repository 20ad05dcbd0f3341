/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One row looked at closely, and the help. Pure. */
#ifndef TCPSHAKE_TOP_DETAIL_H
#define TCPSHAKE_TOP_DETAIL_H

#include "cli/top/draw/view.h"

void top_draw_detail(struct top_canvas *c, struct top_view *v, const struct top_span *span,
		     struct top_area area);
void top_draw_help(struct top_canvas *c, struct top_area area);

#endif
