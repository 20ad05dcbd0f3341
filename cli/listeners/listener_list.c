// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/listeners/listener_list.h"
#include "cli/feed/wanted.h"

#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"
#include "common/keyset.h"

struct socket_key {
	uint64_t netns;
	uint64_t host;
	char socket[32];
};

struct listener_list {
	const struct filter *filter;
	struct keyset keys; /* of struct socket_key */
	struct listener_entry *entries; /* by number of their keys */
	size_t capacity;
	size_t *order; /* their numbers, as they were sorted last */
	struct evidence evidence;
	bool failed;
};

struct listener_list *listener_list_new(const struct filter *filter)
{
	struct listener_list *list = calloc(1, sizeof(*list));

	if (!list)
		return NULL;
	list->filter = filter;
	list->keys.key_size = sizeof(struct socket_key);
	return list;
}

static void entry_free(struct listener_entry *e)
{
	record_free(&e->record);
	free(e->line);
}

void listener_list_clear(struct listener_list *list)
{
	for (size_t i = 0; i < list->keys.room; i++)
		if (keyset_has(&list->keys, i))
			entry_free(&list->entries[i]);
	keyset_clear(&list->keys);
}

void listener_list_free(struct listener_list *list)
{
	if (!list)
		return;
	listener_list_clear(list);
	keyset_free(&list->keys);
	free(list->entries);
	free(list->order);
	free(list);
}

static struct socket_key key_of(const struct record *r)
{
	const struct record_listener *l = &r->listener;
	struct socket_key key = { .netns = l->netns, .host = r->host_number };

	snprintf(key.socket, sizeof(key.socket), "%s", l->socket);
	return key;
}

static void take_out(struct listener_list *list, const struct record *r)
{
	struct socket_key key = key_of(r);
	size_t number = keyset_find(&list->keys, &key), place = 0;

	if (number == KEYSET_NONE)
		return;
	entry_free(&list->entries[number]);
	keyset_remove(&list->keys, number);
	while (list->order[place] != number)
		place++;
	list->order[place] = list->order[list->keys.count];
}

/* Room for all that there are keys for. */
static bool grow(struct listener_list *list)
{
	size_t capacity = list->keys.room;
	struct listener_entry *entries;
	size_t *order;

	if (capacity == list->capacity)
		return true;
	entries = reallocarray(list->entries, capacity, sizeof(*entries));
	list->entries = entries ? entries : list->entries;
	order = reallocarray(list->order, capacity, sizeof(*order));
	list->order = order ? order : list->order;
	if (entries && order)
		list->capacity = capacity;
	return entries && order;
}

static bool is_wanted(const struct listener_list *list, const struct record *r)
{
	return listener_is_wanted(list->filter, r->listener.netns, r->listener.local.port,
				  r->cgroup_path);
}

static void put(struct listener_list *list, struct listener_entry *e)
{
	struct socket_key key = key_of(&e->record);
	bool added;
	size_t number = keyset_put(&list->keys, &key, &added);

	if (number == KEYSET_NONE || !grow(list)) {
		if (added)
			keyset_remove(&list->keys, number);
		list->failed = true;
		entry_free(e);
		return;
	}
	if (added)
		list->order[list->keys.count - 1] = number;
	else
		entry_free(&list->entries[number]);
	list->entries[number] = *e;
}

/* All that there are on that host follow. */
static void begin(struct listener_list *list, uint32_t host)
{
	for (size_t i = list->keys.count; i-- > 0;)
		if (listener_list_at(list, i)->record.host_number == host)
			take_out(list, &listener_list_at(list, i)->record);
}

/* What one host lacks may hide something in all. */
static void take_evidence(struct listener_list *list, const struct record *r)
{
	struct evidence one;

	evidence_take(&one, r);
	if (r->host_number)
		evidence_join(&list->evidence, &one);
	else
		list->evidence = one;
}

void listener_list_add(struct listener_list *list, const struct record *from, const char *line, size_t len)
{
	struct listener_entry e = { .len = len };
	char error[160];

	if (record_parse(line, len, &e.record, error, sizeof(error)) != RECORD_GOOD)
		return;
	if (from) {
		e.record.host_number = from->host_number;
		snprintf(e.host, sizeof(e.host), "%s", from->host ? from->host : "");
	}
	if (e.record.type == RECORD_HELLO)
		begin(list, e.record.host_number);
	if (e.record.type == RECORD_HELLO || e.record.type == RECORD_PROBE)
		take_evidence(list, &e.record);
	if (e.record.type != RECORD_LISTENER || !is_wanted(list, &e.record)) {
		record_free(&e.record);
		return;
	}
	if (e.record.listener.event == CHANGE_CLOSED) {
		take_out(list, &e.record);
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
	[SORT_DEFAULT] = by_queue,
	[SORT_QUEUE] = by_queue, [SORT_PEAK] = by_peak,	      [SORT_DROPS] = by_drops,
	[SORT_PORT] = by_port,	 [SORT_PROCESS] = by_process,
};

struct sorting {
	const struct listener_entry *entries;
	enum sort_key key;
};

static int compare_entries(const void *a_number, const void *b_number, void *ctx)
{
	const struct sorting *s = ctx;
	const struct record_listener *a = &s->entries[*(const size_t *)a_number].record.listener;
	const struct record_listener *b = &s->entries[*(const size_t *)b_number].record.listener;
	int order = orders[s->key](a, b);

	if (!order)
		order = by_port(a, b);
	if (!order)
		order = strcmp(a->local.addr, b->local.addr);
	if (!order)
		order = compare(a->netns, b->netns);
	if (!order)
		order = strcmp(a->socket, b->socket);
	return order ? order : strcmp(s->entries[*(const size_t *)a_number].host, s->entries[*(const size_t *)b_number].host);
}

void listener_list_sort(struct listener_list *list, enum sort_key key)
{
	struct sorting s = { list->entries, key };

	if (list->keys.count)
		qsort_r(list->order, list->keys.count, sizeof(*list->order), compare_entries, &s);
}

size_t listener_list_count(const struct listener_list *list)
{
	return list->keys.count;
}

const struct listener_entry *listener_list_at(const struct listener_list *list, size_t i)
{
	return &list->entries[list->order[i]];
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
	for (size_t i = 1; i < list->keys.count; i++)
		if (listener_list_at(list, i)->record.listener.netns !=
		    listener_list_at(list, 0)->record.listener.netns)
			return true;
	return false;
}

bool listener_list_has_hosts(const struct listener_list *list)
{
	for (size_t i = 1; i < list->keys.count; i++)
		if (listener_list_at(list, i)->record.host_number != listener_list_at(list, 0)->record.host_number)
			return true;
	return false;
}

bool listener_list_failed(const struct listener_list *list)
{
	return list->failed;
}
