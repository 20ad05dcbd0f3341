/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The feed held against the kernel's own books: for each counter, what the kernel counted in a
 * namespace, what we saw, and the rule that explains the difference. A difference without a rule
 * is a bug. Pure.
 */
#ifndef TCPSHAKE_AUDIT_H
#define TCPSHAKE_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/host/netstat.h"
#include "daemon/kernel/missed.h"
#include "daemon/kernel/unreported.h"

/* Counters that are audited, by their number in enum netstat_counter. */
#define AUDIT_COUNTERS NETSTAT_AUDITED

/* Both sides, cumulative from the same moment on. */
struct audit_books {
	uint64_t kernel[NETSTAT_COUNTERS]; /* those behind AUDIT_COUNTERS are for the rules */
	uint64_t observed[AUDIT_COUNTERS];
	uint64_t synacks; /* SYN-ACKs retransmitted */
	uint32_t unreported; /* enum unreported */
	uint64_t unexplained_drops; /* ListenDrops that no full queue explains */
	uint64_t pending; /* refusals counted by the kernel, to be reported at the next look */
	uint64_t waiting, first_waiting; /* attempts with TCP_FASTOPEN_CONNECT that are not over, now and at the beginning */
	uint64_t under_way, first_under_way; /* attempts that began before the kernel's counters were read, and may not be in them */
	uint64_t unbegun; /* … that are over, and whose connect() was not seen */
	uint64_t pending_drops; /* of ListenDrops: not explained until the next look */
	uint64_t missed[MISSED_KINDS]; /* runs of programs that the kernel skipped, on the whole host */
	uint64_t window; /* what was observed while the kernel's counters were being read */
	uint32_t cpus;
};

struct audit_row {
	const char *name;
	uint64_t kernel; /* in the interval */
	uint64_t observed;
	int64_t difference; /* kernel - observed */
	const char *rule; /* NULL: none is needed, or none explains it */
};

/*
 * Compare the books with those of the previous audit (`last`, which becomes them). Returns whether
 * they balance: every difference, summed up since the beginning, is 0 or explained.
 */
bool audit_compare(struct audit_books *last, const struct audit_books *now,
		   struct audit_row rows[AUDIT_COUNTERS]);

/* An audit of a namespace. */
struct audit_report {
	uint32_t netns;
	uint64_t mono_ns; /* when, and of how long an interval */
	uint64_t interval_ns;
	bool balanced;
	const struct audit_row *rows; /* AUDIT_COUNTERS of them */
	const uint64_t *unexplained; /* for each row: the differences of all audits until now that no rule explains */
};

#endif
