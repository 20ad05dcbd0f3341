/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How deep connections found each listener's accept queue, and how long they waited in it, as histograms. */
#ifndef TCPSHAKE_DISTRIBUTIONS_H
#define TCPSHAKE_DISTRIBUTIONS_H

#include "daemon/events/events.h"
#include "daemon/metrics/exposition.h"

/* Begin a sample of a listener that has series of its own. */
void listener_series_start(struct exposition *e, const struct listener *p, const char *suffix);

/* Of those listeners that connections came to. */
void distributions_put(const struct events *events, const struct counters *c, struct exposition *e);

#endif
