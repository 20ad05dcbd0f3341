/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* All that the model holds: for the files that take records, count them and answer. */
#ifndef TCPSHAKE_TOP_COUNTED_H
#define TCPSHAKE_TOP_COUNTED_H

#include "cli/feed/evidence.h"
#include "cli/top/model/key_table.h"
#include "cli/top/model/seconds.h"

#include "common/clock.h"

#define TOP_SECOND_CELLS 3072
#define TOP_TOTAL_CELLS (1U << 18)
#define TOP_SOCKETS_MAX 16384

struct top_row {
	uint64_t last_second;
	uint32_t pid; /* the newest; 0: none */
	bool several; /* pids */
	uint16_t cgroup; /* for top_paths_container(): of the newest process that is in one */
	bool containers; /* not all of them are in the same */
	char comm[TOP_COMM]; /* of the newest */
	bool v6only; /* a listener that takes no IPv4 */
	uint32_t sockets; /* listeners open there */
	struct top_fact newest; /* with a cause; `code` 0: none yet */
};

/* A listener as its last record has it. */
struct top_socket {
	uint32_t row; /* of TOP_LISTENERS */
	uint16_t cgroup; /* for top_paths_text() */
	uint64_t backlog, drops; /* or COUNT_UNKNOWN */
	struct queue accept, syn;
	struct spread depth, wait; /* of the accept queue */
	struct spread syn_depth;
	bool waiting;
	uint64_t oldest_wait_ns; /* or NS_UNKNOWN */
	uint64_t at_ns;
	bool has_owner;
	uint32_t pid, owners;
	char comm[TOP_COMM];
};

#define TOP_HOSTS 256 /* further ones have no name here */

/* Plain values: a copy of the model takes them as they are. */
struct top_known {
	struct top_row rows[TOP_TABLES][TOP_ROWS_MAX];
	uint64_t sweep_at[TOP_TABLES]; /* second: not before, nothing is idle */
	struct top_socket sockets[TOP_SOCKETS_MAX];
	uint64_t sweep_paths_at; /* second */
	uint64_t more_sockets; /* listeners for which there was no room */
	const struct filter *source_filter; /* or NULL */
	bool filtered;
	uint64_t first_ns, newest_ns; /* of the records */
	uint64_t since_ns; /* of what `total` counts */
	int64_t wall_offset_ns; /* from mono_ns to the time of day */
	uint64_t wall_second; /* for which it was reckoned */
	char host[64], kernel[64], version[32], tier[32], boot_id[64];
	char host_names[TOP_HOSTS][sizeof(((struct top_key *)NULL)->host_name)]; /* by number; "": the only one */
	struct evidence evidence; /* of the newest hello, or of all hosts' */
	char daemon_only[120]; /* the filters of the daemon itself, "" for none */
	char source_only[120]; /* and of this program's options */
	bool failed; /* memory ran out: something is missing */
};

struct top_model {
	struct top_known known;
	struct top_seconds seconds;
	struct top_bucket total;
	struct keyset tables[TOP_TABLES];
	struct keyset socket_table;
	struct top_names names;
	struct top_log log;
	struct filter filter; /* without its texts; its cgroup is ours */
};

#endif
