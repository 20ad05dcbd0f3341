/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How what came of late is spread, from a histogram that only ever grows: its counts as they are, less those of when the
 * window before the running one began. Pure.
 */
#ifndef TCPSHAKE_DISTRIBUTION_H
#define TCPSHAKE_DISTRIBUTION_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

/* What the buckets are of. */
struct scale {
	uint32_t buckets;
	uint64_t (*start)(uint32_t bucket); /* the least value in it; also of the one behind the last */
};

extern const struct scale depth_scale; /* lengths of a queue: bpf/depth.h */
extern const struct scale wait_scale; /* nanoseconds: bpf/latency.h */

/* Each is the middle of its bucket. All are 0 if `count` is. */
struct spread {
	uint64_t count, p50, p99, max;
};

struct distribution {
	struct spread spread;
	__u64 *past; /* the counts as the running window began, then as the one before did; NULL: nothing came yet */
	bool known; /* it is kept; else `spread` means nothing */
};

/* A look finds that nothing came in the running window and the one before. */
void distribution_nothing(struct distribution *d, const struct scale *scale);
/* … or its counts. `begins`: a window begins with it. They are not known if memory is out. */
void distribution_take(struct distribution *d, const struct scale *scale, const __u64 *counts, bool begins);
/* What the largest value was exactly, if `most` is in its bucket. */
void distribution_bound(struct distribution *d, const struct scale *scale, uint64_t most);
void distribution_free(struct distribution *d);

#endif
