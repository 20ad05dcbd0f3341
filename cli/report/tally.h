/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Handshakes by place or by process: how many, how they ended, how long they took. TALLY_ROWS are kept apart; what
 * is beyond is counted as others. Pure.
 */
#ifndef TCPSHAKE_REPORT_TALLY_H
#define TCPSHAKE_REPORT_TALLY_H

#include "cli/feed/parsed_record.h"
#include "cli/top/model/cells.h"
#include "common/histogram.h"
#include "common/keyset.h"

#define TALLY_ROWS 4096
#define TALLY_OTHERS 0 /* the row of all that there is no room for */
#define TALLY_NAME 64

/* Compared as bytes: what is unused is zero. */
struct tally_key {
	uint64_t netns; /* 0: whatever */
	uint32_t host; /* as struct record numbers them */
	uint32_t port; /* 0: it has none */
	uint32_t container; /* its number, of a process; 0: none */
	uint32_t unused;
	char name[TALLY_NAME];
};

struct tally_line {
	uint32_t row;
	const struct tally_key *key; /* NULL of TALLY_OTHERS */
	uint64_t handshakes, active, failed, retransmitted;
};

/* All zero: empty. */
struct tally {
	struct keyset keys;
	struct top_cells cells;
	bool failed; /* memory ran out */
};

void tally_free(struct tally *t);
void tally_add(struct tally *t, const struct tally_key *key, const struct record_handshake *h, uint64_t latency_ns);
/* All rows that count something, those with most failures first, for free(3). NULL if memory is out. */
struct tally_line *tally_lines(const struct tally *t, size_t *count);
/* Of established handshakes of a row. */
void tally_latency(const struct tally *t, uint32_t row, struct histogram *h);

#endif
