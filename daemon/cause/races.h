/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Races between addresses (happy eyeballs, RFC 8305): a process connects to one address, then to another of the
 * same port, and closes the loser as soon as the other one is connected. Pure.
 */
#ifndef TCPSHAKE_RACES_H
#define TCPSHAKE_RACES_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"

#define RACES 512

/* What a process connected to a port last. */
struct race {
	uint32_t pid; /* 0: free */
	uint32_t netns;
	uint16_t port;
	uint8_t addr[16];
	uint64_t start_ns, end_ns;
	uint64_t before_ns; /* when the one before it was connected; 0: there was none */
};

struct races {
	struct race at[RACES]; /* by a hash; the newest stays */
};

/* A client is connected. */
void races_won(struct races *r, const struct event_handshake *e);

/*
 * Did this one, which its process closed, lose a race? Another address of that port was begun later and connected, right
 * before it was closed. A process that connects to that port all the time has no races that show: it must be
 * the only one meanwhile.
 */
bool races_lost(const struct races *r, const struct event_handshake *e);

#endif
