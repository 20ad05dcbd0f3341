/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of listeners, as listeners.c uses it and listener_index.c keeps it. */
#ifndef TCPSHAKE_LISTENERS_INTERNAL_H
#define TCPSHAKE_LISTENERS_INTERNAL_H

#include "daemon/queues/listeners.h"

#define BUCKETS 4096

/* How many listen at a port, at whatever addresses. */
struct listener_port {
	struct listener_port *next;
	uint32_t netns;
	uint16_t port;
	uint32_t count;
};

struct listeners {
	struct listener *bucket[LISTENER_LINKS][BUCKETS];
	struct listener_port *port[BUCKETS];
	struct listener **all;
	size_t count, room;
	size_t orphans_next; /* the bucket of sockets to go on with */
};

/* Put one into the index, take it out, and move it to another port. */
void listener_index_add(struct listeners *l, struct listener *p);
void listener_index_remove(struct listeners *l, struct listener *p);
void listener_index_move(struct listeners *l, struct listener *p, uint16_t port);

/* The first of those that may be it, which link[…].next goes on with: others are among them. */
struct listener *listener_index_place(const struct listeners *l, uint32_t netns, uint16_t port, const uint8_t *addr);
struct listener *listener_index_socket(const struct listeners *l, uint64_t socket);
struct listener *listener_index_inode(const struct listeners *l, uint64_t inode);

/* How many listen at that port. */
uint32_t listener_index_count(const struct listeners *l, uint32_t netns, uint16_t port);

#endif
