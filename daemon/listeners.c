// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "listeners.h"

#include <stdlib.h>
#include <string.h>

#include "common/addr.h"

#define BUCKETS 1024

struct listener {
	struct listener *next;
	uint64_t socket;
	uint32_t netns;
	uint16_t port;
	bool v6only;
	bool seen; /* by the scan under way */
	uint8_t addr[16];
	struct listener_owner owner;
};

struct listeners {
	struct listener *bucket[BUCKETS];
	size_t count;
};

struct listeners *listeners_new(void)
{
	return calloc(1, sizeof(struct listeners));
}

void listeners_free(struct listeners *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (l->bucket[i]) {
			struct listener *gone = l->bucket[i];

			l->bucket[i] = gone->next;
			free(gone);
		}
	}
	free(l);
}

static size_t bucket_of(uint32_t netns, uint16_t port)
{
	return (netns * 2654435761U + port) % BUCKETS;
}

static struct listener **listener_slot(struct listeners *l, const struct event_listener *e)
{
	struct listener **p = &l->bucket[bucket_of(e->header.netns, e->local_port)];

	while (*p && ((*p)->socket != e->socket || (*p)->netns != e->header.netns ||
		      (*p)->port != e->local_port))
		p = &(*p)->next;
	return p;
}

/* systemd keeps the sockets it activates services with: the service is who accepts. */
static bool better_owner(const struct listener_owner *owner, uint32_t pid)
{
	return owner->pid == 1 || (pid != 1 && pid < owner->pid);
}

static void listener_put(struct listeners *l, const struct event_listener *e)
{
	struct listener **slot = listener_slot(l, e), *listener = *slot;
	bool known = listener;

	if (!known) {
		listener = calloc(1, sizeof(*listener));
		if (!listener)
			return; /* its handshakes go without an owner */
		*slot = listener;
		l->count++;
	}
	/* The first holder a scan finds replaces what was known, the others must be better. */
	if (!known || e->event == LISTENER_OPENED || !listener->seen ||
	    better_owner(&listener->owner, e->pid)) {
		listener->owner = (struct listener_owner){ .pid = e->pid, .uid = e->uid };
		memcpy(listener->owner.comm, e->comm, sizeof(e->comm));
	}
	listener->socket = e->socket;
	listener->netns = e->header.netns;
	listener->port = e->local_port;
	listener->v6only = e->v6only;
	listener->seen = true;
	memcpy(listener->addr, e->local_addr, sizeof(listener->addr));
}

static void listener_remove(struct listeners *l, struct listener **slot)
{
	struct listener *gone = *slot;

	if (!gone)
		return;
	*slot = gone->next;
	free(gone);
	l->count--;
}

void listeners_apply(struct listeners *l, const struct event_listener *e)
{
	if (e->event == LISTENER_CLOSED)
		listener_remove(l, listener_slot(l, e));
	else if (e->local_port) /* else a scan finds it once it is bound */
		listener_put(l, e);
}

void listeners_scan_begin(struct listeners *l)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct listener *p = l->bucket[i]; p; p = p->next)
			p->seen = false;
}

void listeners_scan_end(struct listeners *l)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct listener **p = &l->bucket[i];

		while (*p) {
			if ((*p)->seen)
				p = &(*p)->next;
			else
				listener_remove(l, p);
		}
	}
}

/* How well a listener's address fits: 0 not at all, 1 the other family's wildcard, 3 exactly. */
static int fit(const struct listener *p, const uint8_t *addr)
{
	if (memcmp(p->addr, addr, sizeof(p->addr)) == 0)
		return 3;
	if (!addr_is_wildcard(p->addr))
		return 0;
	if (addr_is_ipv4(p->addr) == addr_is_ipv4(addr))
		return 2;
	return addr_is_ipv4(addr) && !p->v6only ? 1 : 0;
}

const struct listener_owner *listeners_owner(const struct listeners *l, uint32_t netns,
					     const uint8_t *addr, uint16_t port)
{
	const struct listener_owner *best = NULL;
	int best_fit = 0;

	for (const struct listener *p = l->bucket[bucket_of(netns, port)]; p; p = p->next) {
		int f = p->netns == netns && p->port == port ? fit(p, addr) : 0;

		if (!f || f < best_fit)
			continue;
		if (f > best_fit)
			best = &p->owner;
		else if (best && best->pid != p->owner.pid)
			best = NULL;
		best_fit = f;
	}
	return best;
}

bool listeners_orphaned(const struct listeners *l, bool (*alive)(uint32_t pid))
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (const struct listener *p = l->bucket[i]; p; p = p->next)
			if (!alive(p->owner.pid))
				return true;
	return false;
}

size_t listeners_count(const struct listeners *l)
{
	return l->count;
}
