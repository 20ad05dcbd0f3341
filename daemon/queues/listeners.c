// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/queues/listeners.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/maps.h"
#include "common/addr.h"

#define BUCKETS 4096
#define ORPHANS_AT_ONCE 4096
#define ASKED 256
#define COOKIES_ALWAYS 2 /* of tcp_syncookies */

struct listeners {
	struct listener *port[BUCKETS];
	struct listener *socket[BUCKETS];
	struct listener **all;
	size_t count, room;
	size_t orphans_next; /* the bucket to go on with */
};

struct listeners *listeners_new(void)
{
	return calloc(1, sizeof(struct listeners));
}

void listeners_free(struct listeners *l)
{
	if (!l)
		return;
	while (l->count)
		listeners_remove(l, l->all[l->count - 1]);
	free(l->all);
	free(l);
}

static size_t port_bucket(uint32_t netns, uint16_t port)
{
	return (netns * 2654435761U + port) % BUCKETS;
}

static size_t socket_bucket(uint64_t socket)
{
	return ((socket >> 6) * 0x9e3779b97f4a7c15ULL >> 32) % BUCKETS;
}

struct listener *listeners_find(const struct listeners *l, uint64_t socket)
{
	struct listener *p = l->socket[socket_bucket(socket)];

	while (p && p->socket != socket)
		p = p->next_socket;
	return p;
}

bool listener_is_quiet(const struct listener *listener)
{
	const struct listener_sample *s = &listener->sample;

	return !s->accept_len && !s->syn_len && !listener->peak && s->drops == listener->drops_accounted;
}

bool listener_has_address(const struct listener *p)
{
	return p->socket != p->inode; /* no address of the kernel's is as small as an inode's number */
}

/* At this port, or not bound yet as it was last heard of. */
static struct listener *by_inode(const struct listeners *l, const struct event_listener *e)
{
	const uint16_t ports[] = { e->local_port, 0 };

	for (size_t i = 0; e->inode && i < sizeof(ports) / sizeof(*ports); i++)
		for (struct listener *p = l->port[port_bucket(e->header.netns, ports[i])]; p; p = p->next)
			if (p->inode == e->inode && p->netns == e->header.netns)
				return p;
	return NULL;
}

struct listener *listeners_of(const struct listeners *l, const struct event_listener *e)
{
	struct listener *p = e->socket ? listeners_find(l, e->socket) : NULL;

	return p ? p : by_inode(l, e);
}

static void port_link(struct listeners *l, struct listener *p)
{
	struct listener **bucket = &l->port[port_bucket(p->netns, p->port)];

	p->next = *bucket;
	*bucket = p;
}

static void port_unlink(struct listeners *l, struct listener *gone)
{
	struct listener **p = &l->port[port_bucket(gone->netns, gone->port)];

	while (*p != gone)
		p = &(*p)->next;
	*p = gone->next;
}

void listeners_remove(struct listeners *l, struct listener *gone)
{
	struct listener **p;

	if (!gone)
		return;
	port_unlink(l, gone);
	p = &l->socket[socket_bucket(gone->socket)];
	while (*p != gone)
		p = &(*p)->next_socket;
	*p = gone->next_socket;
	l->all[gone->place] = l->all[--l->count];
	l->all[gone->place]->place = gone->place;
	free(gone);
}

static bool make_room(struct listeners *l)
{
	size_t room = l->room ? 2 * l->room : 64;
	struct listener **all;

	if (l->count < l->room)
		return true;
	all = realloc(l->all, room * sizeof(*all));
	if (!all)
		return false;
	l->all = all;
	l->room = room;
	return true;
}

static struct listener *listener_add(struct listeners *l, const struct event_listener *e)
{
	uint64_t socket = e->socket ? e->socket : e->inode;
	struct listener **bucket = &l->socket[socket_bucket(socket)];
	struct listener *p = make_room(l) ? calloc(1, sizeof(*p)) : NULL;

	if (!p)
		return NULL;
	p->socket = socket;
	p->inode = e->inode;
	p->cgroup_id = e->cgroup_id;
	p->netns = e->header.netns;
	p->opened_ns = e->event == LISTENER_OPENED ? e->mono_ns : 0;
	p->port = e->local_port;
	p->v6only = e->v6only;
	memcpy(p->addr, e->local_addr, sizeof(p->addr));
	p->next_socket = *bucket;
	*bucket = p;
	port_link(l, p);
	p->place = (uint32_t)l->count;
	l->all[l->count++] = p;
	return p;
}

static bool shares_name(const struct listener *p, const struct listener_owner *owner)
{
	for (uint32_t i = 0; i < p->owner_count; i++)
		if (&p->owner[i] != owner && memcmp(p->owner[i].comm, owner->comm, COMM_LEN) == 0)
			return true;
	return false;
}

bool owner_is_manager(const struct listener_owner *owner)
{
	return owner->pid == 1 || memcmp(owner->comm, "systemd", sizeof("systemd")) == 0;
}

/*
 * Does it keep the socket for whom it starts? A manager does; and so may the init of a container, unless its
 * workers are the same program, as nginx's are.
 */
static bool is_keeper(const struct listener *p, const struct listener_owner *owner)
{
	return owner_is_manager(owner) || (owner->init && !shares_name(p, owner));
}

/* The main owner: the oldest, which started the others, but for one that keeps the socket for them. */
static void choose_main(struct listener *p)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < p->owner_count; i++) {
		bool keeps = is_keeper(p, &p->owner[i]), best_keeps = is_keeper(p, &p->owner[best]);

		if (keeps == best_keeps ? p->owner[i].pid < p->owner[best].pid : best_keeps)
			best = i;
	}
	if (best) {
		struct listener_owner owner = p->owner[best];

		p->owner[best] = p->owner[0];
		p->owner[0] = owner;
	}
}

static struct listener_owner *owner_of(struct listener *p, uint32_t pid)
{
	for (uint32_t i = 0; i < p->owner_count; i++)
		if (p->owner[i].pid == pid)
			return &p->owner[i];
	return NULL;
}

/* By another descriptor, or by a scan that finds it again: then its name may be new. */
static void owner_add(struct listener *p, const struct event_listener *e)
{
	struct listener_owner *owner = owner_of(p, e->pid);

	if (!owner && p->owner_count == LISTENER_OWNERS) {
		p->owners_more++;
		return;
	}
	if (!owner)
		owner = &p->owner[p->owner_count++];
	*owner = (struct listener_owner){ .pid = e->pid, .uid = e->uid, .init = e->init,
					  .start = e->start };
	memcpy(owner->comm, e->comm, sizeof(owner->comm));
	choose_main(p);
}

static void disown(struct listener *p, uint32_t pid)
{
	struct listener_owner *owner = owner_of(p, pid);

	if (!owner)
		return;
	*owner = p->owner[--p->owner_count];
	choose_main(p);
	p->changed = true;
}

void listeners_disown(struct listeners *l, uint32_t pid)
{
	for (size_t i = 0; i < l->count; i++)
		disown(l->all[i], pid);
}

static void owners_clear(struct listener *p)
{
	p->owner_count = 0;
	p->owners_more = 0;
}

struct listener *listeners_put(struct listeners *l, const struct event_listener *e)
{
	struct listener *p = listeners_of(l, e);
	uint32_t owners;

	if (p && (e->event == LISTENER_OPENED || p->netns != e->header.netns)) {
		listeners_remove(l, p); /* its end was not seen, its address is another's now */
		p = NULL;
	}
	if (!p)
		p = listener_add(l, e);
	if (!p)
		return NULL;
	if (p->port != e->local_port) {
		port_unlink(l, p);
		p->port = e->local_port;
		port_link(l, p);
		p->changed = true;
	}
	p->fresh |= e->event == LISTENER_OPENED;
	owners = p->owner_count;
	if (!p->seen)
		owners_clear(p); /* the first holder a scan finds: what was known is old */
	if (e->pid)
		owner_add(p, e);
	p->changed |= p->owner_count != owners;
	p->seen = true;
	return p;
}

static void window_add(struct listener *p, const struct listener_sample *sample)
{
	uint64_t age = sample->mono_ns - p->window_ns;

	if (!p->window_ns || age >= LISTENER_WINDOW_NS) {
		p->peak_before = p->window_ns && age < 2 * LISTENER_WINDOW_NS ? p->peak_window : 0;
		p->peak_window = 0;
		p->window_ns = sample->mono_ns;
	}
	if (sample->accept_peak > p->peak_window)
		p->peak_window = sample->accept_peak;
}

uint32_t listener_peak(const struct listener *p)
{
	return p->peak_window > p->peak_before ? p->peak_window : p->peak_before;
}

void listeners_sample(struct listeners *l, struct listener *p, const struct listener_sample *sample)
{
	if (p->port != sample->state.local_port) {
		port_unlink(l, p);
		p->port = sample->state.local_port;
		port_link(l, p);
		p->changed = true;
	}
	if (!p->sampled && !p->fresh) { /* what was dropped before we looked is not ours to explain */
		p->drops_accounted = sample->drops;
		p->accounted = sample->state;
	}
	p->drops_new = sample->drops - (p->sampled || p->fresh ? p->sample.drops : sample->drops);
	p->cookies_always = sample->syncookies == COOKIES_ALWAYS || p->sample.syncookies == COOKIES_ALWAYS;
	p->sample = *sample;
	p->sampled = true;
	if (sample->port_peak > sample->accept_peak && !listeners_port_shared(l, p))
		p->sample.accept_peak = sample->port_peak;
	if (p->sample.accept_peak > p->peak)
		p->peak = p->sample.accept_peak;
	window_add(p, &p->sample);
}

void listeners_scan_begin(struct listeners *l)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct listener *p = l->socket[i]; p; p = p->next_socket)
			p->seen = false;
}

void listeners_scan_end(struct listeners *l)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct listener *p = l->socket[i]; p; p = p->next_socket) {
			if (!p->seen)
				owners_clear(p);
			p->seen = true;
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

static bool is_there(const struct listener *p, const struct arrival *a)
{
	return p->netns == a->netns && p->opened_ns <= a->mono_ns;
}

static const struct listener *shown(const struct listeners *l, const struct arrival *a)
{
	const struct listener *p = a->socket ? listeners_find(l, a->socket) : NULL;

	return p && is_there(p, a) ? p : NULL;
}

/* 0 also for one of which it is known that it is another than the event shows. */
static int fit_of(const struct listener *p, const struct arrival *a)
{
	if (p->port != a->port || !is_there(p, a) || (a->socket && listener_has_address(p)))
		return 0;
	return fit(p, a->addr);
}

const struct listener *listeners_at(const struct listeners *l, const struct arrival *a)
{
	const struct listener *best = shown(l, a);
	int best_fit = 0;

	if (best)
		return best;
	for (const struct listener *p = l->port[port_bucket(a->netns, a->port)]; p; p = p->next) {
		int f = fit_of(p, a);

		if (!f || f < best_fit)
			continue;
		best = f > best_fit ? p : NULL;
		best_fit = f;
	}
	return best;
}

static const struct listener_owner *main_owner(const struct listener *p)
{
	return p->owner_count ? &p->owner[0] : NULL;
}

const struct listener_owner *listeners_owner(const struct listeners *l, const struct arrival *a)
{
	const struct listener *known = shown(l, a);
	const struct listener_owner *best = NULL;
	int best_fit = 0;

	if (known)
		return main_owner(known);
	for (const struct listener *p = l->port[port_bucket(a->netns, a->port)]; p; p = p->next) {
		const struct listener_owner *owner = main_owner(p);
		int f = fit_of(p, a);

		if (!f || f < best_fit)
			continue;
		if (f > best_fit)
			best = owner;
		else if (best && (!owner || best->pid != owner->pid))
			best = NULL;
		best_fit = f;
	}
	return best;
}

/* Many listeners share a process: asked once. */
struct asked {
	uint32_t pid[ASKED];
};

static bool is_gone(struct asked *asked, uint32_t pid, bool (*alive)(uint32_t pid))
{
	uint32_t *known = &asked->pid[pid % ASKED];

	if (*known == pid)
		return false;
	*known = pid;
	return !alive(pid);
}

bool listeners_orphaned(struct listeners *l, bool (*alive)(uint32_t pid))
{
	struct asked asked = {};
	size_t looked = 0;

	for (size_t i = 0; i < BUCKETS && looked < ORPHANS_AT_ONCE; i++) {
		for (const struct listener *p = l->socket[l->orphans_next]; p; p = p->next_socket) {
			looked++;
			if (p->owner_count && is_gone(&asked, p->owner[0].pid, alive))
				return true;
		}
		l->orphans_next = (l->orphans_next + 1) % BUCKETS;
	}
	return false;
}

bool listeners_port_shared(const struct listeners *l, const struct listener *listener)
{
	const struct listener *p = l->port[port_bucket(listener->netns, listener->port)];

	while (p && (p == listener || p->netns != listener->netns || p->port != listener->port))
		p = p->next;
	return p;
}

bool listeners_any(const struct listeners *l, uint32_t netns, uint16_t port)
{
	const struct listener *p = l->port[port_bucket(netns, port)];

	while (p && (p->netns != netns || p->port != port))
		p = p->next;
	return p;
}

size_t listeners_count(const struct listeners *l)
{
	return l->count;
}

void listeners_each(struct listeners *l, void (*fn)(void *ctx, struct listener *listener), void *ctx)
{
	for (size_t i = l->count; i-- > 0;) /* where one is removed, the last comes, which had its turn */
		fn(ctx, l->all[i]);
}
