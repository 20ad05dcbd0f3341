/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who listens where: the owners of passive handshakes. Fed by the LISTEN transitions as they
 * happen and by scans of all open files; pure, the scan itself is the source's.
 */
#ifndef TCPSHAKE_LISTENERS_H
#define TCPSHAKE_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

struct listeners;

struct listener_owner {
	uint32_t pid;
	uint32_t uid;
	char comm[COMM_LEN];
};

struct listeners *listeners_new(void);
void listeners_free(struct listeners *l);

/* Take an event: opened, closed or found. */
void listeners_apply(struct listeners *l, const struct event_listener *e);

/*
 * Around a scan: what no LISTENER_FOUND mentions between the two is gone, unless it opened
 * meanwhile.
 */
void listeners_scan_begin(struct listeners *l);
void listeners_scan_end(struct listeners *l);

/*
 * The owner of the listener that took a connection to this address: the bound address first,
 * then the wildcards, as the kernel's lookup does. NULL if none is known, or if SO_REUSEPORT
 * sockets of different processes share the port and any of them may have taken it.
 */
const struct listener_owner *listeners_owner(const struct listeners *l, uint32_t netns,
					     const uint8_t *addr, uint16_t port);

/* Has any owner's process gone, as `alive` says? Then a scan finds who holds the socket now. */
bool listeners_orphaned(const struct listeners *l, bool (*alive)(uint32_t pid));

size_t listeners_count(const struct listeners *l);

#endif
