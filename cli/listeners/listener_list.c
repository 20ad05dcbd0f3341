// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/listeners/listener_list.h"

#include <linux/types.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/event.h"

struct listener_list {
	const struct filter *filter;
	struct listener_entry *entries;
	size_t count, capacity;
	/* Open addressing over the entries by netns and socket: index + 1, or 0. */
	size_t *slots;
	size_t slot_count; /* a power of two */
	struct evidence evidence;
	bool failed;
};

struct listener_list *listener_list_new(const struct filter *filter)
{
	struct listener_list *list = calloc(1, sizeof(*list));

	if (list)
		list->filter = filter;
	return list;
}

static void entry_free(struct listener_entry *e)
{
	record_free(&e->record);
	free(e->line);
}

void listener_list_clear(struct listener_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		entry_free(&list->entries[i]);
	list->count = 0;
	if (list->slots)
		memset(list->slots, 0, list->slot_count * sizeof(*list->slots));
}

void listener_list_free(struct listener_list *list)
{
	if (!list)
		return;
	listener_list_clear(list);
	free(list->entries);
	free(list->slots);
	free(list);
}

static size_t hash(const struct record_listener *l)
{
	uint64_t h = 0xcbf29ce484222325u ^ l->netns; /* FNV-1a */

	for (const char *c = l->socket; *c; c++)
		h = (h ^ (unsigned char)*c) * 0x100000001b3u;
	return (size_t)(h ^ h >> 32);
}

static bool same(const struct record_listener *a, const struct record_listener *b)
{
	return a->netns == b->netns && strcmp(a->socket, b->socket) == 0;
}

/* The slot of a listener, or the empty one where it belongs. */
static size_t *find(const struct listener_list *list, const struct record_listener *l)
{
	size_t mask = list->slot_count - 1;

	for (size_t i = hash(l) & mask;; i = (i + 1) & mask)
		if (!list->slots[i] || same(&list->entries[list->slots[i] - 1].record.listener, l))
			return &list->slots[i];
}

static void index_all(struct listener_list *list)
{
	memset(list->slots, 0, list->slot_count * sizeof(*list->slots));
	for (size_t i = 0; i < list->count; i++)
		*find(list, &list->entries[i].record.listener) = i + 1;
}

/* Room for one more, at most half of the slots in use. */
static bool grow(struct listener_list *list)
{
	size_t capacity = list->capacity ? 2 * list->capacity : 64;
	struct listener_entry *entries;
	size_t *slots;

	if (list->count < list->capacity)
		return true;
	entries = reallocarray(list->entries, capacity, sizeof(*entries));
	if (entries)
		list->entries = entries;
	slots = entries ? calloc(2 * capacity, sizeof(*slots)) : NULL;
	if (!slots) {
		list->failed = true;
		return false;
	}
	free(list->slots);
	list->slots = slots;
	list->slot_count = 2 * capacity;
	list->capacity = capacity;
	index_all(list);
	return true;
}

static void take_out(struct listener_list *list, const struct record_listener *l)
{
	size_t *slot = list->count ? find(list, l) : NULL;
	size_t i;

	if (!slot || !*slot)
		return;
	i = *slot - 1;
	entry_free(&list->entries[i]);
	list->entries[i] = list->entries[--list->count];
	index_all(list);
}

static bool is_wanted(const struct listener_list *list, const struct record *r)
{
	const struct record_listener *l = &r->listener;
	static const uint8_t nowhere[16];
	struct filter_subject subject = {
		.netns = (uint32_t)l->netns,
		.local_port = l->local.port,
		.remote_port = l->local.port,
		.remote_addr = nowhere,
		.latency_ns = NS_UNKNOWN,
		.cgroup_path = r->cgroup_path,
	};

	return filter_is_empty(list->filter) || filter_match(list->filter, &subject);
}

static void put(struct listener_list *list, struct listener_entry *e)
{
	size_t *slot;

	if (!grow(list)) {
		entry_free(e);
		return;
	}
	slot = find(list, &e->record.listener);
	if (*slot) {
		entry_free(&list->entries[*slot - 1]);
		list->entries[*slot - 1] = *e;
		return;
	}
	list->entries[list->count++] = *e;
	*slot = list->count;
}

void listener_list_add(struct listener_list *list, const char *line, size_t len)
{
	struct listener_entry e = { .len = len };
	char error[160];

	if (record_parse(line, len, &e.record, error, sizeof(error)) != RECORD_GOOD)
		return;
	if (e.record.type == RECORD_HELLO)
		listener_list_clear(list);
	if (e.record.type == RECORD_HELLO || e.record.type == RECORD_PROBE)
		evidence_take(&list->evidence, &e.record);
	if (e.record.type != RECORD_LISTENER || !is_wanted(list, &e.record)) {
		record_free(&e.record);
		return;
	}
	if (e.record.listener.event == CHANGE_CLOSED) {
		take_out(list, &e.record.listener);
		record_free(&e.record);
		return;
	}
	e.line = strndup(line, len);
	if (e.line) {
		put(list, &e);
	} else {
		list->failed = true;
		record_free(&e.record);
	}
}

static int compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* How full: `len` of the max + 1 that the queue holds. */
static int compare_fill(uint64_t a_len, const struct queue *a, uint64_t b_len,
			const struct queue *b)
{
	double a_full = a->known ? (double)a_len / ((double)a->max + 1) : -1;
	double b_full = b->known ? (double)b_len / ((double)b->max + 1) : -1;

	return a_full < b_full ? -1 : a_full > b_full;
}

static int by_queue(const struct record_listener *a, const struct record_listener *b)
{
	return -compare_fill(a->accept.len, &a->accept, b->accept.len, &b->accept);
}

static int by_peak(const struct record_listener *a, const struct record_listener *b)
{
	return -compare_fill(a->accept.peak, &a->accept, b->accept.peak, &b->accept);
}

static uint64_t refused(const struct record_listener *l)
{
	return l->overflow_syn + l->overflow_ack + l->overflow_cookie;
}

static int by_drops(const struct record_listener *a, const struct record_listener *b)
{
	uint64_t a_drops = a->drops == COUNT_UNKNOWN ? 0 : a->drops;
	uint64_t b_drops = b->drops == COUNT_UNKNOWN ? 0 : b->drops;
	int order = -compare(a_drops, b_drops);

	return order ? order : -compare(refused(a), refused(b));
}

static int by_port(const struct record_listener *a, const struct record_listener *b)
{
	return compare(a->local.port, b->local.port);
}

/* Unknown ones last. */
static int by_process(const struct record_listener *a, const struct record_listener *b)
{
	int order;

	if (!a->owner.known || !b->owner.known)
		return (int)!a->owner.known - (int)!b->owner.known;
	order = strcmp(a->owner.comm, b->owner.comm);
	return order ? order : compare(a->owner.pid, b->owner.pid);
}

static int (*const orders[SORT_KEYS])(const struct record_listener *,
				      const struct record_listener *) = {
	[SORT_QUEUE] = by_queue, [SORT_PEAK] = by_peak,	      [SORT_DROPS] = by_drops,
	[SORT_PORT] = by_port,	 [SORT_PROCESS] = by_process,
};

static int compare_entries(const void *a_entry, const void *b_entry, void *key)
{
	const struct record_listener *a = &((const struct listener_entry *)a_entry)->record.listener;
	const struct record_listener *b = &((const struct listener_entry *)b_entry)->record.listener;
	int order = orders[*(enum sort_key *)key](a, b);

	if (!order)
		order = by_port(a, b);
	if (!order)
		order = strcmp(a->local.addr, b->local.addr);
	if (!order)
		order = compare(a->netns, b->netns);
	return order ? order : strcmp(a->socket, b->socket);
}

void listener_list_sort(struct listener_list *list, enum sort_key key)
{
	if (!list->count)
		return;
	qsort_r(list->entries, list->count, sizeof(*list->entries), compare_entries, &key);
	index_all(list);
}

size_t listener_list_count(const struct listener_list *list)
{
	return list->count;
}

const struct listener_entry *listener_list_at(const struct listener_list *list, size_t i)
{
	return &list->entries[i];
}

bool listener_list_is_filtered(const struct listener_list *list)
{
	return !filter_is_empty(list->filter);
}

const struct evidence *listener_list_evidence(const struct listener_list *list)
{
	return &list->evidence;
}

bool listener_list_is_mixed(const struct listener_list *list)
{
	for (size_t i = 1; i < list->count; i++)
		if (list->entries[i].record.listener.netns != list->entries[0].record.listener.netns)
			return true;
	return false;
}

bool listener_list_failed(const struct listener_list *list)
{
	return list->failed;
}
