// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/replay.h"

/* Beyond this a double is no uint64_t any more. */
#define FAR_NS 9e18

void replay_set(struct replay *r, uint64_t feed_ns, uint64_t now_ns)
{
	r->feed_ns = feed_ns;
	r->our_ns = now_ns;
}

uint64_t replay_now(const struct replay *r, uint64_t now_ns)
{
	if (!r->begun || r->held)
		return r->feed_ns;
	if (r->speed <= 0)
		return UINT64_MAX;
	return r->feed_ns + (uint64_t)((double)(now_ns - r->our_ns) * r->speed);
}

/* Nobody wants to wait for what was between two feeds; another boot's clock is another. */
static bool is_gap(const struct replay *r, uint64_t mono_ns, uint64_t now_ns)
{
	return !r->gap_ns || mono_ns > replay_now(r, now_ns) + r->gap_ns ||
	       mono_ns + r->gap_ns < r->newest_ns;
}

uint64_t replay_due(struct replay *r, bool hello, uint64_t mono_ns, uint64_t now_ns)
{
	double after_ns;

	if (!mono_ns)
		return 0;
	if (!r->begun ? r->feed_ns < mono_ns :
			hello && !r->held && r->speed > 0 && is_gap(r, mono_ns, now_ns)) {
		replay_set(r, mono_ns, now_ns);
		r->newest_ns = mono_ns;
	}
	r->begun = true;
	if (mono_ns > r->newest_ns)
		r->newest_ns = mono_ns;
	if (mono_ns <= r->feed_ns)
		return 0;
	if (r->held)
		return UINT64_MAX;
	if (r->speed <= 0)
		return 0;
	after_ns = (double)(mono_ns - r->feed_ns) / r->speed;
	return after_ns + (double)r->our_ns < FAR_NS ? r->our_ns + (uint64_t)after_ns : UINT64_MAX;
}
