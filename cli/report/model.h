/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a report shows: records in, once; the causes are explain's, the rest is counted here. Pure. Memory is bounded
 * whatever comes: time has at most GRID_COLUMNS columns, places and listeners are kept apart up to a number.
 */
#ifndef TCPSHAKE_REPORT_MODEL_H
#define TCPSHAKE_REPORT_MODEL_H

#include "cli/explain/model.h"
#include "cli/report/audits.h"
#include "cli/report/grid.h"
#include "cli/report/queues.h"
#include "cli/report/tally.h"

/* Records of handshakes, one for each side that was seen, and what queues refused. */
struct report_cell {
	uint64_t outcomes[OUTCOMES + 1]; /* the last: a newer daemon's */
	uint64_t retransmitted, refused_syn, refused_ack, cookies;
	uint64_t lost; /* records, as the feed says */
};

struct report_model {
	struct explain *explain;
	struct grid grid;
	size_t cells; /* the row of struct report_cell */
	size_t latencies[ROLES]; /* rows of struct histogram: of established handshakes */
	struct report_cell sums;
	struct histogram latency[ROLES];
	struct tally destinations, processes;
	struct queues queues;
	struct audits audits;
	struct containers containers; /* of processes and listeners */
	uint64_t records, timeless; /* the latter have no time, and are in no column */
	char host[ADDR_SIZE], kernel[ADDR_SIZE], version[ADDR_SIZE]; /* of the newest hello; "" if there is none */
	char daemon_only[160]; /* the filters of all daemons and feeds, "" for none */
	bool failed; /* memory ran out */
};

/* NULL if memory is out. */
struct report_model *report_model_new(void);
void report_model_free(struct report_model *m);
void report_model_add(struct report_model *m, const struct record *r);
/* Nothing is added after it. Negative if memory ran out, now or before. */
int report_model_finish(struct report_model *m, const struct input_report *report);

static inline const struct report_cell *report_cell_at(const struct report_model *m, unsigned column)
{
	return grid_cell(&m->grid, m->cells, column);
}

static inline const struct histogram *report_latency_at(const struct report_model *m, int role, unsigned column)
{
	return grid_cell(&m->grid, m->latencies[role], column);
}

#endif
