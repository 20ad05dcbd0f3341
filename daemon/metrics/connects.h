/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The metric of calls of connect() that failed at once. */
#ifndef TCPSHAKE_METRICS_CONNECTS_H
#define TCPSHAKE_METRICS_CONNECTS_H

#include "daemon/kernel/source.h"
#include "daemon/metrics/exposition.h"

void measure_connects(const struct source *source, struct exposition *e);

#endif
