// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/queues/listeners_internal.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/maps.h"
#include "common/addr.h"

#define ORPHANS_AT_ONCE 4096
#define ASKED 256
#define COOKIES_ALWAYS 2 /* of tcp_syncookies */

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

struct listener *listeners_find(const struct listeners *l, uint64_t socket)
{
	struct listener *p = listener_index_socket(l, socket);

	while (p && p->socket != socket)
		p = p->link[LISTENER_BY_SOCKET].next;
	return p;
}

bool listener_is_quiet(const struct listener *listener)
{
	const struct listener_sample *s = &listener->sample;

	return !s->accept_len && !s->syn_len && !listener->queue[QUEUE_ACCEPT].peak && !listener->queue[QUEUE_SYN].peak &&
	       s->drops == listener->drops_accounted;
}

bool listener_has_address(const struct listener *p)
{
	return p->socket != p->inode; /* no address of the kernel's is as small as an inode's number */
}

/* At this port, or not bound yet as it was last heard of. */
static struct listener *by_inode(const struct listeners *l, const struct event_listener *e)
{
	struct listener *p = e->inode ? listener_index_inode(l, e->inode) : NULL;

	while (p && (p->inode != e->inode || p->netns != e->header.netns || (p->port && p->port != e->local_port)))
		p = p->link[LISTENER_BY_INODE].next;
	return p;
}

struct listener *listeners_of(const struct listeners *l, const struct event_listener *e)
{
	struct listener *p = e->socket ? listeners_find(l, e->socket) : NULL;

	return p ? p : by_inode(l, e);
}

void listeners_remove(struct listeners *l, struct listener *gone)
{
	if (!gone)
		return;
	listener_index_remove(l, gone);
	l->all[gone->place] = l->all[--l->count];
	l->all[gone->place]->place = gone->place;
	for (int which = 0; which < LISTENER_QUEUES; which++)
		distribution_free(&gone->queue[which].depth);
	distribution_free(&gone->wait);
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
	p->asked_known = e->asked_known;
	p->asked = e->asked;
	p->granted = e->granted;
	memcpy(p->addr, e->local_addr, sizeof(p->addr));
	listener_index_add(l, p);
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
		listener_index_move(l, p, e->local_port);
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

static void peaks_add(struct listener *p, const struct listener_sample *sample)
{
	const uint32_t peak[LISTENER_QUEUES] = { [QUEUE_ACCEPT] = sample->accept_peak, [QUEUE_SYN] = sample->syn_peak };
	uint64_t age = sample->mono_ns - p->window_ns;
	bool begins = !p->window_ns || age >= LISTENER_WINDOW_NS;
	bool follows = p->window_ns && age < 2 * LISTENER_WINDOW_NS;

	for (int which = 0; which < LISTENER_QUEUES; which++) {
		struct listener_queue *q = &p->queue[which];

		if (begins) {
			q->peak_before = follows ? q->peak_window : 0;
			q->peak_window = 0;
		}
		if (peak[which] > q->peak)
			q->peak = peak[which];
		if (peak[which] > q->peak_window)
			q->peak_window = peak[which];
	}
	if (begins)
		p->window_ns = sample->mono_ns;
}

uint32_t listener_peak(const struct listener *p, enum overflow_queue which)
{
	const struct listener_queue *q = &p->queue[which];

	return q->peak_window > q->peak_before ? q->peak_window : q->peak_before;
}

void listeners_sample(struct listeners *l, struct listener *p, const struct listener_sample *sample)
{
	if (p->port != sample->state.local_port) {
		listener_index_move(l, p, sample->state.local_port);
		p->changed = true;
	}
	if (!p->sampled && !p->fresh) { /* what was dropped before we looked is not ours to explain */
		p->drops_accounted = sample->drops;
		p->accounted = sample->state;
	}
	p->drops_new = sample->drops - (p->sampled || p->fresh ? p->sample.drops : sample->drops);
	p->cookies_always = sample->syncookies == COOKIES_ALWAYS || p->sample.syncookies == COOKIES_ALWAYS;
	p->asked_known = p->asked_known && sample->accept_max == p->granted;
	p->sample = *sample;
	p->sampled = true;
	if (sample->port_peak > sample->accept_peak && !listeners_port_shared(l, p))
		p->sample.accept_peak = sample->port_peak;
	peaks_add(p, &p->sample);
}

static void distribute_depth(struct listener_queue *q, const struct depth *kept, uint32_t peak, bool begins)
{
	q->depth.known = false;
	if (!kept)
		return;
	if (!peak) {
		distribution_nothing(&q->depth, &depth_scale);
		return;
	}
	distribution_take(&q->depth, &depth_scale, kept->bucket, begins);
	distribution_bound(&q->depth, &depth_scale, peak - 1); /* a peak counts the one that came */
	q->depth_limit = kept->limit;
}

/* Who waits makes a peak, too: without a peak nobody joined the queue, and nobody left it. */
void listener_distribute(struct listener *p, const struct distributions *d)
{
	bool begins = p->window_ns == p->sample.mono_ns;

	for (int which = 0; which < LISTENER_QUEUES; which++)
		distribute_depth(&p->queue[which], d->depth[which], listener_peak(p, which), begins);
	p->wait.known = false;
	if (d->wait && !listener_peak(p, QUEUE_ACCEPT))
		distribution_nothing(&p->wait, &wait_scale);
	else if (d->wait)
		distribution_take(&p->wait, &wait_scale, d->wait->bucket, begins);
}

/* A scan finds files, and the kernel's own listener has none. */
static bool is_kernels(const struct listener *p)
{
	return !p->inode && p->owner_count && p->owner[0].pid == KERNEL_PID;
}

void listeners_scan_begin(struct listeners *l)
{
	for (size_t i = 0; i < l->count; i++)
		l->all[i]->seen = false;
}

void listeners_scan_end(struct listeners *l)
{
	for (size_t i = 0; i < l->count; i++) {
		if (!l->all[i]->seen && !is_kernels(l->all[i]))
			owners_clear(l->all[i]);
		l->all[i]->seen = true;
	}
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
	return addr_fit(p->addr, p->v6only, a->addr);
}

static const struct listener_owner *main_owner(const struct listener *p)
{
	return p->owner_count ? &p->owner[0] : NULL;
}

/* The one that fits best, and the owner of all that fit as well; NULL if they are several. */
struct best {
	const struct listener *listener;
	const struct listener_owner *owner;
	int fit;
};

static void compare(struct best *best, const struct listener *p, const struct arrival *a)
{
	const struct listener_owner *owner = main_owner(p);
	int f = fit_of(p, a);

	if (!f || f < best->fit)
		return;
	if (f > best->fit) {
		*best = (struct best){ p, owner, f };
		return;
	}
	best->listener = NULL;
	if (best->owner && (!owner || best->owner->pid != owner->pid))
		best->owner = NULL;
}

/* Those at the address, then those at the wildcards: what is found at one fits better than what is at the next. */
static struct best find_best(const struct listeners *l, const struct arrival *a)
{
	const uint8_t *const places[] = { a->addr, addr_any_ipv4, addr_any_ipv6 };
	struct best best = { .fit = 0 };

	for (size_t i = 0; i < sizeof(places) / sizeof(*places) && !best.fit; i++) {
		const struct listener *p = listener_index_place(l, a->netns, a->port, places[i]);

		for (; p; p = p->link[LISTENER_BY_PLACE].next)
			if (memcmp(p->addr, places[i], sizeof(p->addr)) == 0)
				compare(&best, p, a);
	}
	return best;
}

const struct listener *listeners_at(const struct listeners *l, const struct arrival *a)
{
	const struct listener *known = shown(l, a);

	return known ? known : find_best(l, a).listener;
}

const struct listener_owner *listeners_owner(const struct listeners *l, const struct arrival *a)
{
	const struct listener *known = shown(l, a);

	return known ? main_owner(known) : find_best(l, a).owner;
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
		const struct listener *p = l->bucket[LISTENER_BY_SOCKET][l->orphans_next];

		for (; p; p = p->link[LISTENER_BY_SOCKET].next) {
			looked++;
			if (p->owner_count && !is_kernels(p) && is_gone(&asked, p->owner[0].pid, alive))
				return true;
		}
		l->orphans_next = (l->orphans_next + 1) % BUCKETS;
	}
	return false;
}

bool listeners_port_shared(const struct listeners *l, const struct listener *listener)
{
	return listener_index_count(l, listener->netns, listener->port) > 1;
}

bool listeners_any(const struct listeners *l, uint32_t netns, uint16_t port)
{
	return listener_index_count(l, netns, port);
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
