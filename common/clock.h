/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Time: CLOCK_MONOTONIC nanoseconds everywhere inside, RFC 3339 UTC in the records. */
#ifndef TCPSHAKE_CLOCK_H
#define TCPSHAKE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define NSEC_PER_SEC 1000000000ULL
#define NSEC_PER_MSEC 1000000ULL

uint64_t clock_mono_ns(void);
/* How long a tick of the kernel is (CONFIG_HZ). */
uint32_t clock_tick_ns(void);
/* CPU time of this thread. */
uint64_t clock_cpu_ns(void);
/* What to add to CLOCK_MONOTONIC for CLOCK_REALTIME; changes when the clock is set or slewed. */
int64_t clock_real_offset_ns(void);

/*
 * A descriptor that becomes readable when the wall clock is set; a negative errno. clock_was_set() then says that it was,
 * and watches on.
 */
int clock_watch(void);
bool clock_was_set(int watch);

/* The text of the second last formatted: most records of a busy feed share it. */
struct clock_cache {
	int64_t second;
	char text[20]; /* "2026-11-20T10:47:46." */
};

/* Append "2026-11-20T10:47:46.123456789Z" for nanoseconds since the epoch. */
void clock_format(struct clock_cache *cache, struct buf *b, int64_t real_ns);

#endif
