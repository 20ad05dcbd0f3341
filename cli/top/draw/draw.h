/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The screen: the model's answers and the keys' choices in, characters out. Pure. */
#ifndef TCPSHAKE_TOP_DRAW_H
#define TCPSHAKE_TOP_DRAW_H

#include "cli/top/draw/view.h"

/* All that fits on the canvas, as the keys want it. */
void top_draw(struct top_canvas *c, struct top_view *v);
/* All panes with all rows, on a canvas that is made as high as it takes. 0, or -ENOMEM. */
int top_draw_report(struct top_canvas *c, struct top_view *v, unsigned columns);

#endif
