/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When the records of a recording are to be given again: as long after the first of their feed as
 * it was then, or N times as fast. Pure.
 */
#ifndef TCPSHAKE_REPLAY_H
#define TCPSHAKE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

/* The time of the feed that was given out at a time of ours, both CLOCK_MONOTONIC. */
struct replay {
	bool started;
	uint64_t feed_ns, our_ns;
};

/*
 * A record of `mono_ns` (0: it has none) came; `first`: it begins a feed, and time begins anew. When
 * it is due: 0 for now, as for one that is about an earlier moment than the first; UINT64_MAX: never.
 */
uint64_t replay_due(struct replay *r, double speed, bool first, uint64_t mono_ns, uint64_t now_ns);

#endif
