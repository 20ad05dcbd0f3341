/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Questions to the model: what the screen shows. Pure, and nothing is changed by asking. */
#ifndef TCPSHAKE_TOP_QUERY_H
#define TCPSHAKE_TOP_QUERY_H

#include "cli/top/model/cells.h"
#include "cli/feed/evidence.h"
#include "cli/top/model/fact.h"
#include "cli/top/model/model.h"

/* The seconds [first, end), or all that came. */
struct top_span {
	uint64_t first, end;
	bool all;
	double seconds; /* how long it is: for rates */
};

struct top_span top_span_of(const struct top_model *m, enum top_window window, uint64_t now_ns);

/* Of established handshakes whose latency is known; within 1.6 %, `max` exact but for a line's. */
struct top_latency {
	uint64_t count, p50, p90, p99, max;
};

struct top_totals {
	uint64_t counts[TOP_COUNTS];
	struct top_latency latency[ROLES];
};

void top_totals_of(const struct top_model *m, const struct top_span *span, struct top_totals *t);

/* Whose feed it is; "" where it is not reported. */
struct top_info {
	const char *host, *kernel, *version, *evidence;
	const char *daemon_only, *source_only; /* filters: what the feed leaves out */
	uint64_t since_ns; /* what "since start" counts from; 0: nothing came */
	uint64_t newest_ns;
	uint64_t more_sockets; /* listeners for which there was no room */
	bool failed; /* memory ran out */
	bool mixed; /* several network namespaces */
	bool contained; /* a process is in a container that is known */
};

struct top_info top_info_of(const struct top_model *m);
/* What the feed's host lets be seen. */
const struct evidence *top_evidence_of(const struct top_model *m);
/* Is a refusal that is not counted none? */
bool top_counts_refusals(const struct top_model *m);
/* The time of day, in nanoseconds since the epoch. */
int64_t top_wall_ns(const struct top_model *m, uint64_t mono_ns);

/* ---- the map: time × latency × count ---- */

#define TOP_BANDS_MAX 24
#define TOP_COLUMNS_MAX 512

struct top_heat {
	unsigned columns, bands;
	unsigned step; /* seconds a column */
	uint64_t end; /* second after the last column, which is the newest */
	uint64_t floors[TOP_BANDS_MAX]; /* ns, of the bands, from the lowest on */
	uint64_t cells[TOP_BANDS_MAX][TOP_COLUMNS_MAX];
	uint64_t failed[TOP_COLUMNS_MAX];
	uint64_t most; /* of a cell */
	uint64_t most_failed;
};

/*
 * The last columns × step seconds before `end`. Bands are six, three (1-2-5), two or one a decade, the
 * finest that fit `bands_max` (at least 1).
 */
void top_heat_of(const struct top_model *m, uint64_t end, unsigned columns, unsigned step,
		 unsigned bands_max, struct top_heat *heat);

/* ---- tables ---- */

#define TOP_SPREAD_OLD_NS (60 * NSEC_PER_SEC) /* a distribution says nothing of what is now */

struct top_line {
	uint32_t row; /* TOP_OTHER: of all that had no room */
	const struct top_key *key; /* NULL of TOP_OTHER */
	uint64_t counts[TOP_SLOTS]; /* by slot - HISTOGRAM_BUCKETS */
	struct top_latency latency;
	/* The process; of a listener its owner, of the others the newest. pid 0: not known. */
	char comm[TOP_COMM];
	uint32_t pid;
	bool several; /* further processes */
	uint16_t cgroup; /* for top_paths_container(): the newest container of such a process */
	bool containers; /* not all of them are in the same */
	/* The newest that had a cause; `code` 0: none. */
	struct top_fact newest;
	/* Of listeners, the fullest of its sockets; the rest summed up. */
	uint32_t sockets;
	bool v6only, has_queue, has_syn, has_drops, waiting;
	uint64_t len, max, syn_len, syn_max, drops;
	uint64_t oldest_wait_ns; /* or NS_UNKNOWN */
	struct spread depth, wait; /* of its accept queues those with the largest p99; as the last record of that one has it … */
	struct spread syn_depth; /* the same of its SYN queues */
	uint64_t depth_ns, wait_ns, syn_depth_ns; /* … which is of that time */
};

static inline uint64_t top_line_count(const struct top_line *l, enum top_slot slot)
{
	return l->counts[slot - HISTOGRAM_BUCKETS];
}

/* Room for answers, used again and again. */
struct top_query;

struct top_query *top_query_new(void);
void top_query_free(struct top_query *q);

/*
 * The rows of a table that count something in that span, and all listeners there are; unsorted.
 * Holds until the next question.
 */
size_t top_lines_of(struct top_query *q, const struct top_model *m, enum top_table_id id,
		    const struct top_span *span, struct top_line **lines);

/* ---- one of them ---- */

#define TOP_TALLIES 12

struct top_tally {
	uint8_t code;
	uint64_t handshakes, refused; /* segments */
};

struct top_focus {
	struct top_tally tallies[TOP_TALLIES]; /* causes in that span, the most frequent first */
	unsigned tally_count;
	uint64_t outcomes[OUTCOMES + 1];
	size_t fact_count; /* the newest first */
	size_t skipped; /* newer than those, as asked */
	bool covered; /* all of the span's records are still kept */
};

/* The last `max` records of a row, after leaving out `skip` of the newest. */
void top_focus_of(const struct top_model *m, enum top_table_id id, uint32_t row,
		  const struct top_span *span, size_t skip, const struct top_fact **facts, size_t max,
		  struct top_focus *focus);

const struct top_names *top_names_of(const struct top_model *m);

#endif
