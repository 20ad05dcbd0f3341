/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The metric of what this host threw away itself. */
#ifndef TCPSHAKE_METRICS_DROPS_H
#define TCPSHAKE_METRICS_DROPS_H

#include "daemon/kernel/source.h"
#include "daemon/metrics/exposition.h"

void measure_drops(const struct source *source, struct exposition *e);

#endif
