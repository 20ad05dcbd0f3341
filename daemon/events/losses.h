/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What was lost before it could become a record: in the feeds, and for the causes. */
#ifndef TCPSHAKE_LOSSES_H
#define TCPSHAKE_LOSSES_H

#include "bpf/counters.h"
#include "daemon/cause/correlate.h"
#include "daemon/events/emit.h"
#include "daemon/events/looks.h"
#include "daemon/kernel/source.h"

struct losses {
	struct source *source;
	struct correlate *correlate;
	struct emit *emit;
	struct looks *looks;
	struct counters reported; /* losses up to here are in the feeds */
	uint64_t reported_missed[MISSED_KINDS], reported_untracked;
	uint64_t reported_limited; /* handshakes, by the daemon */
	uint64_t checked_missed[MISSED_KINDS]; /* the causes know of these */
	uint64_t missed_ns[MISSED_KINDS]; /* when the last one was noted; 0: none was */
	uint64_t checked_drops, drops_ns; /* the same of drops above their limit */
};

/* Let the causes know if anything was lost since the last report: it may be why one seems proven. */
void losses_check(struct losses *l, const struct counters *now);
/* What this kernel does not report, and what it may have reported lately had no run of a program been skipped: enum unreported. */
uint32_t losses_unreported(const struct losses *l, uint64_t now_ns);
/* Emit to every feed what was lost on the kernel side since the last report. */
void losses_report(struct losses *l, const struct counters *now);
/* … and what it lost itself: a feed that is quiet now gets no record to say so before. */
void losses_report_own(struct losses *l);

#endif
