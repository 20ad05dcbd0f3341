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
};

/* Let the causes know if anything was lost since the last report: it may be why one seems proven. */
void losses_check(struct losses *l, const struct counters *now);
/* Emit to every feed what was lost on the kernel side since the last report. */
void losses_report(struct losses *l, const struct counters *now);
/* … and what it lost itself: a feed that is quiet now gets no record to say so before. */
void losses_report_own(struct losses *l);

#endif
