/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the two halves of the model share: taking records (model.c), answering (query.c). */
#ifndef TCPSHAKE_TOP_MODEL_INTERNAL_H
#define TCPSHAKE_TOP_MODEL_INTERNAL_H

#include "cli/top/model/cells.h"
#include "cli/feed/evidence.h"
#include "cli/top/model/fact.h"
#include "cli/top/model/model.h"
#include "cli/top/model/key_table.h"

#include "common/clock.h"
#include "common/histogram.h"

#define TOP_RING 320 /* seconds: the longest window, and what comes late */
#define TOP_SECOND_CELLS 3072
#define TOP_TOTAL_CELLS (1U << 18)
#define TOP_SOCKETS_MAX 16384

/* A second, or all of them. */
struct top_bucket {
	uint64_t second;
	bool used;
	uint64_t counts[TOP_COUNTS];
	struct histogram latency[ROLES]; /* of established ones */
	struct top_cells cells[TOP_TABLES];
};

struct top_row {
	uint64_t last_second;
	uint32_t pid; /* the newest; 0: none */
	bool several; /* pids */
	char comm[TOP_COMM]; /* of the newest */
	bool v6only; /* a listener that takes no IPv4 */
	uint32_t sockets; /* listeners open there */
	struct top_fact newest; /* with a cause; `code` 0: none yet */
};

/* A listener as its last record tells. */
struct top_socket {
	uint32_t row; /* of TOP_LISTENERS */
	uint16_t cgroup; /* for top_paths_text() */
	uint64_t backlog, drops; /* or COUNT_UNKNOWN */
	struct queue accept, syn;
	bool waiting;
	uint64_t oldest_wait_ns; /* or NS_UNKNOWN */
	uint64_t at_ns;
	bool has_owner;
	uint32_t pid, owners;
	char comm[TOP_COMM];
};

struct top_model {
	struct top_bucket ring[TOP_RING];
	struct top_bucket total;
	struct top_table tables[TOP_TABLES];
	struct top_row rows[TOP_TABLES][TOP_ROWS_MAX];
	uint64_t sweep_at[TOP_TABLES]; /* second: not before, nothing is idle */
	struct top_table socket_table;
	struct top_socket sockets[TOP_SOCKETS_MAX];
	uint64_t sweep_paths_at; /* second */
	uint64_t sockets_untold; /* listeners for which there was no room */
	struct top_names names;
	struct top_log log;
	const struct filter *source_filter; /* or NULL */
	struct filter filter; /* without its texts; its cgroup is ours */
	bool filtered;
	uint64_t first_ns, newest_ns; /* of the records */
	uint64_t since_ns; /* of what `total` counts */
	int64_t wall_offset_ns; /* from mono_ns to the time of day */
	uint64_t wall_second; /* for which it was reckoned */
	char host[64], kernel[64], version[32], tier[32], boot_id[64];
	struct evidence evidence; /* of the newest hello */
	char daemon_only[120]; /* the filters of the daemon itself, "" for none */
	char source_only[120]; /* and of this program's options */
	bool failed; /* memory ran out: something is missing */
};

void top_clear_bucket(struct top_bucket *b); /* in model.c */

/* ---- count.c ---- */

struct top_key top_place_key(uint32_t netns, const uint8_t *addr, uint16_t port);
/* Does a filter want a listener? */
bool top_place_is_wanted(const struct filter *f, const struct top_key *key, const char *cgroup);
/* Its row; TOP_OTHER if there is no room. */
uint32_t top_row_of(struct top_model *m, enum top_table_id id, const struct top_key *key);
void top_count_cell(struct top_model *m, struct top_bucket *b, enum top_table_id id, uint32_t row,
		    uint32_t slot, uint64_t n);
/* NULL if a newer second has its place in the ring: such a fact only counts since the start. */
struct top_bucket *top_second_of(struct top_model *m, uint64_t mono_ns);
/* Does the filter that was typed in `top` want it? */
bool top_is_wanted(const struct top_model *m, const struct top_fact *f);
/* Count a fact. */
void top_apply(struct top_model *m, const struct top_fact *f);
/* The listener that a passive handshake or a refusal is about: itself, or that of all addresses. */
uint32_t top_find_listener(const struct top_model *m, const struct top_fact *f);

#endif
