/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What was counted, of one second or of all time, and the last seconds. Pure. */
#ifndef TCPSHAKE_TOP_SECONDS_H
#define TCPSHAKE_TOP_SECONDS_H

#include "cli/top/model/cells.h"
#include "cli/top/model/kinds.h"
#include "cli/top/model/fact.h"

#include "common/histogram.h"

#define TOP_RING 320 /* seconds: the longest window, and what comes late */

struct top_bucket {
	uint64_t second;
	bool used;
	uint64_t counts[TOP_COUNTS];
	struct histogram latency[ROLES]; /* of established ones */
	struct top_cells cells[TOP_TABLES];
};

struct top_seconds {
	struct top_bucket ring[TOP_RING];
};

void top_bucket_clear(struct top_bucket *b);
void top_bucket_free(struct top_bucket *b);
/* 0, or -ENOMEM; what there is then is for top_bucket_free(). */
int top_bucket_copy(struct top_bucket *to, const struct top_bucket *from);

/* The one to count in; NULL for a second that is over for too long: it counts since start only. */
struct top_bucket *top_second_of(struct top_seconds *s, uint64_t mono_ns);
/* The one to read; NULL if nothing came in that second. */
const struct top_bucket *top_second_at(const struct top_seconds *s, uint64_t second);

#endif
