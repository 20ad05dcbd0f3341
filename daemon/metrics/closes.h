/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The metrics of how connections end: where `close` records are asked for. */
#ifndef TCPSHAKE_METRICS_CLOSES_H
#define TCPSHAKE_METRICS_CLOSES_H

#include "daemon/kernel/source.h"
#include "daemon/metrics/exposition.h"

void measure_closes(struct source *source, const struct counters *c, struct exposition *e);

#endif
