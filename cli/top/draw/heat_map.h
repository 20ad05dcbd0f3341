/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The map of latencies: time from left to right, latency upwards, the more the denser. Pure. */
#ifndef TCPSHAKE_TOP_HEAT_MAP_H
#define TCPSHAKE_TOP_HEAT_MAP_H

#include "cli/top/draw/view.h"

void top_draw_heat(struct top_canvas *c, const struct top_view *v, struct top_area area);

#endif
