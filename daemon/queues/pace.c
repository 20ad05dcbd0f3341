// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/queues/pace.h"

/*
 * The cost is smoothed over about eight looks and begins at nothing, so that one that was dear by chance changes
 * little; what is gained in cheapness is taken back when it is a quarter, so that the interval does not jump about.
 */
uint64_t pace_next(struct pace *p, uint64_t cost_ns)
{
	uint64_t needed;

	p->cost_ns = p->cost_ns - p->cost_ns / 8 + cost_ns / 8;
	needed = p->cost_ns * PACE_SHARE;
	if (needed > PACE_MAX_NS)
		needed = PACE_MAX_NS;
	if (needed <= p->wanted_ns)
		needed = p->wanted_ns;
	if (needed > p->interval_ns || needed < p->interval_ns - p->interval_ns / 4 ||
	    needed == p->wanted_ns)
		p->interval_ns = needed;
	return p->interval_ns;
}
