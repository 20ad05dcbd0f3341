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
#include "daemon/output/limits.h"

void measures_put(struct events *events, struct exposition *e);
/* How often clients of these servers reached their limits; NULL: no such server. */
void measures_put_limits(const struct limits *const *limits, int count, struct exposition *e);

#endif
