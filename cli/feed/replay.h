/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The clock of a recording: when its records are given again, as far apart as they were, or N times as
 * fast. It can be held, and set to another moment. Pure.
 */
#ifndef TCPSHAKE_REPLAY_H
#define TCPSHAKE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

struct replay {
	double speed; /* 0: as fast as it goes */
	/* Of a pause between two feeds in one recording: what is longer is left out. 0: all are. */
	uint64_t gap_ns;
	bool begun, held;
	/* It is `feed_ns` on the records' clock when it is `our_ns` on ours, both CLOCK_MONOTONIC. */
	uint64_t feed_ns, our_ns;
	uint64_t newest_ns; /* of the records asked for */
};

void replay_set(struct replay *r, uint64_t feed_ns, uint64_t now_ns);
/* The records' time; UINT64_MAX: there is no waiting. */
uint64_t replay_now(const struct replay *r, uint64_t now_ns);

/*
 * When the next record is due, on our clock: 0 for now, as for one without a time (`mono_ns` 0) or of an
 * earlier moment; UINT64_MAX: never. `hello`: it begins a feed.
 */
uint64_t replay_due(struct replay *r, bool hello, uint64_t mono_ns, uint64_t now_ns);

#endif
