/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the metrics say. Names and units are Prometheus's conventions; docs/metrics.md lists them
 * with the bounds of their cardinality.
 *
 * The folder metrics/ is for what Prometheus reads; it may include all below it, and changes nothing there but what
 * a scrape fetches.
 */
#ifndef TCPSHAKE_MEASURES_H
#define TCPSHAKE_MEASURES_H

#include "daemon/events/events.h"
#include "daemon/metrics/exposition.h"

/* A metrics_fn; `ctx` is a struct events. */
void measures_put(void *ctx, struct exposition *e);

#endif
