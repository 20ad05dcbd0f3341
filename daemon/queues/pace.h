/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How often to look at the queues and the books: as asked, or where that would take more than one
 * per cent of a CPU (ten thousand listeners, hundreds of busy namespaces), less often. Pure.
 */
#ifndef TCPSHAKE_PACE_H
#define TCPSHAKE_PACE_H

#include <stdint.h>

#define PACE_SHARE 125 /* of the time, one part in so many: what is dearer by chance still is within 1 % */
#define PACE_MAX_NS (60 * 1000000000ULL)

struct pace {
	uint64_t wanted_ns; /* never shorter than this */
	uint64_t cost_ns; /* CPU time of a look, smoothed */
	uint64_t interval_ns; /* from one to the next */
};

/* A look took so much CPU time. The time until the next. */
uint64_t pace_next(struct pace *p, uint64_t cost_ns);

#endif
