/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The queues of listeners over time, as far as records say how full they were. Pure. */
#ifndef TCPSHAKE_REPORT_QUEUES_H
#define TCPSHAKE_REPORT_QUEUES_H

#include "cli/feed/containers.h"
#include "cli/report/grid.h"
#include "cli/report/tally.h"

#define QUEUES_MAX 4096 /* listeners that are kept apart */

struct queue_cell {
	uint64_t looks; /* records that say how full it was */
	uint64_t peak, limit, syn; /* the most, the newest and the most; of looks only */
	uint64_t refused; /* segments */
};

struct queue_line {
	struct tally_key key;
	bool has_owner;
	uint64_t pid;
	char comm[TALLY_NAME];
	uint32_t container; /* its number; 0: none */
	size_t row; /* of the grid; GRID_NONE: it was never seen in use */
	uint64_t looks, peak, limit, syn_peak, syn_limit; /* limit and syn_limit: or COUNT_UNKNOWN */
	uint64_t refused_syn, refused_ack, cookies;
	uint64_t longest_wait_ns; /* or NS_UNKNOWN */
	bool full; /* it was seen to hold more than its limit */
};

struct queues {
	struct keyset keys;
	struct queue_line *lines; /* by number */
	size_t room;
	uint64_t more; /* records about listeners for which there was no room */
	bool failed; /* memory ran out */
};

void queues_free(struct queues *q);
/* A listener or overflow record at a column of the grid; GRID_COLUMNS: it has no time. Its container is put into `c`. */
void queues_add(struct queues *q, struct grid *g, struct containers *c, const struct record *r, unsigned column);
/* Those that refused most first, then the fullest. Not to be added to any more. */
void queues_sort(struct queues *q);

#endif
