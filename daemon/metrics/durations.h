/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How long handshakes took, as histograms: in all, by listener, by remote port. */
#ifndef TCPSHAKE_DURATIONS_H
#define TCPSHAKE_DURATIONS_H

#include "daemon/kernel/source.h"
#include "daemon/metrics/exposition.h"

/* Where a bucket of bpf/latency.h ends, in seconds, as the label `le` has it. */
const char *duration_bound(unsigned int bucket);

void durations_put(struct source *source, struct exposition *e);

#endif
