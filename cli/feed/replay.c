// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/replay.h"

/* Beyond this a double is no uint64_t any more. */
#define FAR_NS 9e18

uint64_t replay_due(struct replay *r, double speed, bool first, uint64_t mono_ns, uint64_t now_ns)
{
	double after_ns;

	if (!mono_ns)
		return 0;
	if (first || !r->started)
		*r = (struct replay){ true, mono_ns, now_ns };
	if (mono_ns <= r->feed_ns)
		return 0;
	after_ns = (double)(mono_ns - r->feed_ns) / speed;
	return after_ns + (double)r->our_ns < FAR_NS ? r->our_ns + (uint64_t)after_ns : UINT64_MAX;
}
