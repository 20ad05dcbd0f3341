/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which ports keep a histogram of their own. Pure.
 *
 * There is room for so many, and nobody may push out those that are used: not a scan, whose
 * connections are one for each port, and not a peer that lets the kernel choose where it listens.
 * So a port gives up its place only while room is short and nothing has come to it for long, and a
 * listener's never does as long as it listens.
 */
#ifndef TCPSHAKE_LATENCY_USE_H
#define TCPSHAKE_LATENCY_USE_H

#include <stdbool.h>
#include <stdint.h>

#define LATENCY_SWEEP_INTERVALS 60 /* a sweep each so many looks at the listeners */
#define LATENCY_IDLE_SWEEPS 10 /* that is long, if a quarter of the room is left or less */

struct latency_use {
	uint64_t count; /* handshakes at the last sweep */
	uint32_t idle; /* sweeps since that changed */
};

/* A sweep found so many handshakes. */
void latency_use_update(struct latency_use *u, uint64_t count);

/* Is it to go, with `used` of `room` taken? If none is left, one sweep is long. */
bool latency_use_ends(const struct latency_use *u, bool listens, uint32_t used, uint32_t room);

#endif
