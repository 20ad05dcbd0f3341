// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Listeners by their socket, by their inode, and by where they listen. A program may have thousands at one port, with an
 * address each: each is found, added and removed without a walk over the others.
 */
#include "daemon/queues/listeners_internal.h"

#include <stdlib.h>
#include <string.h>

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 32;
}

/* Nobody outside knows where in memory the table is: so nobody chooses addresses and ports that share a bucket. */
static size_t hash(const struct listeners *l, uint64_t a, uint64_t b, uint64_t c)
{
	return mix(mix(mix(mix((uintptr_t)l, a), b), c), 0) % BUCKETS;
}

static size_t hash_place(const struct listeners *l, uint32_t netns, uint16_t port, const uint8_t *addr)
{
	uint64_t half[2];

	memcpy(half, addr, sizeof(half));
	return hash(l, (uint64_t)netns << 16 | port, half[0], half[1]);
}

static size_t hash_number(const struct listeners *l, uint64_t number)
{
	return hash(l, number, 0, 0);
}

static size_t hash_port(const struct listeners *l, uint32_t netns, uint16_t port)
{
	return hash(l, netns, port, 0);
}

static void link_in(struct listener **bucket, struct listener *p, enum listener_links which)
{
	struct listener_link *link = &p->link[which];

	*link = (struct listener_link){ .next = *bucket, .here = bucket };
	*bucket = p;
	if (link->next)
		link->next->link[which].here = &link->next;
}

static void link_out(struct listener *p, enum listener_links which)
{
	struct listener_link *link = &p->link[which];

	*link->here = link->next;
	if (link->next)
		link->next->link[which].here = link->here;
}

static struct listener_port **find_port(const struct listeners *l, uint32_t netns, uint16_t port)
{
	struct listener_port **at = (struct listener_port **)&l->port[hash_port(l, netns, port)];

	while (*at && ((*at)->netns != netns || (*at)->port != port))
		at = &(*at)->next;
	return at;
}

static void port_add(struct listeners *l, struct listener *p)
{
	struct listener_port **at = find_port(l, p->netns, p->port);

	if (!*at) {
		*at = calloc(1, sizeof(**at));
		if (*at)
			**at = (struct listener_port){ .netns = p->netns, .port = p->port };
	}
	p->counted = *at; /* if memory is out, nothing is known of its port */
	if (*at)
		(*at)->count++;
}

static void port_remove(struct listeners *l, const struct listener *p)
{
	struct listener_port **at = find_port(l, p->netns, p->port), *gone = *at;

	if (!p->counted || --gone->count)
		return;
	*at = gone->next;
	free(gone);
}

static void place_in(struct listeners *l, struct listener *p)
{
	link_in(&l->bucket[LISTENER_BY_PLACE][hash_place(l, p->netns, p->port, p->addr)], p, LISTENER_BY_PLACE);
	port_add(l, p);
}

static void place_out(struct listeners *l, struct listener *p)
{
	link_out(p, LISTENER_BY_PLACE);
	port_remove(l, p);
}

void listener_index_add(struct listeners *l, struct listener *p)
{
	link_in(&l->bucket[LISTENER_BY_SOCKET][hash_number(l, p->socket)], p, LISTENER_BY_SOCKET);
	link_in(&l->bucket[LISTENER_BY_INODE][hash_number(l, p->inode)], p, LISTENER_BY_INODE);
	place_in(l, p);
}

void listener_index_remove(struct listeners *l, struct listener *p)
{
	link_out(p, LISTENER_BY_SOCKET);
	link_out(p, LISTENER_BY_INODE);
	place_out(l, p);
}

void listener_index_move(struct listeners *l, struct listener *p, uint16_t port)
{
	place_out(l, p);
	p->port = port;
	place_in(l, p);
}

struct listener *listener_index_place(const struct listeners *l, uint32_t netns, uint16_t port, const uint8_t *addr)
{
	return l->bucket[LISTENER_BY_PLACE][hash_place(l, netns, port, addr)];
}

struct listener *listener_index_socket(const struct listeners *l, uint64_t socket)
{
	return l->bucket[LISTENER_BY_SOCKET][hash_number(l, socket)];
}

struct listener *listener_index_inode(const struct listeners *l, uint64_t inode)
{
	return l->bucket[LISTENER_BY_INODE][hash_number(l, inode)];
}

uint32_t listener_index_count(const struct listeners *l, uint32_t netns, uint16_t port)
{
	const struct listener_port *found = *find_port(l, netns, port);

	return found ? found->count : 0;
}
