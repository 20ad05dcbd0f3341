// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/report/queues.h"

#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"

void queues_free(struct queues *q)
{
	keyset_free(&q->keys);
	free(q->lines);
}

static uint64_t more_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void merge_cells(void *into, const void *from)
{
	const struct queue_cell *later = from;
	struct queue_cell *c = into;

	c->peak = more_of(c->peak, later->peak);
	c->syn = more_of(c->syn, later->syn);
	if (later->looks)
		c->limit = later->limit;
	c->looks += later->looks;
	c->refused += later->refused;
}

static const struct grid_kind kind = { .size = sizeof(struct queue_cell), .merge = merge_cells };

static struct queue_line *line_of(struct queues *q, const struct record *r, uint64_t netns, const struct endpoint *at)
{
	struct tally_key key = { .netns = netns, .host = r->host_number, .port = at->port };
	struct queue_line *line;
	bool added = false;
	size_t number;

	snprintf(key.name, sizeof(key.name), "%s", at->addr);
	q->keys.key_size = sizeof(key);
	number = keyset_find(&q->keys, &key);
	if (number != KEYSET_NONE)
		return &q->lines[number];
	if (q->keys.count == QUEUES_MAX) {
		q->more++;
		return NULL;
	}
	number = ARRAY_ROOM(q->lines, q->keys.count, q->room) ? keyset_put(&q->keys, &key, &added) : KEYSET_NONE;
	if (number == KEYSET_NONE) {
		q->failed = true;
		return NULL;
	}
	line = &q->lines[number];
	*line = (struct queue_line){ .key = key, .row = GRID_NONE, .limit = COUNT_UNKNOWN,
				     .syn_limit = COUNT_UNKNOWN, .longest_wait_ns = NS_UNKNOWN };
	return line;
}

/* Its cell at a time; NULL if there is none, or as long as there is nothing to be shown of it. */
static struct queue_cell *cell_of(struct queues *q, struct grid *g, struct queue_line *line, unsigned column, bool shown)
{
	if (column == GRID_COLUMNS || (line->row == GRID_NONE && !shown))
		return NULL;
	if (line->row == GRID_NONE)
		line->row = grid_add_row(g, &kind);
	q->failed = q->failed || line->row == GRID_NONE;
	return line->row == GRID_NONE ? NULL : grid_cell(g, line->row, column);
}

static void set_owner(struct queue_line *line, const struct owner *owner)
{
	if (!owner->known)
		return;
	/* That of another process is not known yet. */
	if (line->pid != owner->pid || strcmp(line->comm, owner->comm) != 0)
		line->container = 0;
	line->has_owner = true;
	line->pid = owner->pid;
	snprintf(line->comm, sizeof(line->comm), "%s", owner->comm);
}

/* Somebody looked at the accept queue, and at the SYN queue if that is known. */
static void take_look(struct queues *q, struct grid *g, struct queue_line *line, unsigned column,
		      const struct queue *accept, const struct queue *syn)
{
	uint64_t peak = more_of(accept->len, accept->peak);
	struct queue_cell *cell = cell_of(q, g, line, column, peak || syn->len);

	line->looks++;
	line->limit = accept->max;
	line->peak = more_of(line->peak, peak);
	line->full = line->full || peak > accept->max;
	if (syn->known) {
		line->syn_peak = more_of(line->syn_peak, syn->len);
		line->syn_limit = syn->max;
	}
	if (!cell)
		return;
	cell->looks++;
	cell->peak = more_of(cell->peak, peak);
	cell->limit = accept->max;
	cell->syn = more_of(cell->syn, syn->len);
}

static void add_listener(struct queues *q, struct grid *g, struct containers *c, const struct record *r, unsigned column)
{
	const struct record_listener *l = &r->listener;
	struct queue_line *line = line_of(q, r, l->netns, &l->local);

	if (!line)
		return;
	set_owner(line, &l->owner);
	if (l->container.id)
		line->container = containers_put(c, &l->container);
	if (l->accept.known)
		take_look(q, g, line, column, &l->accept, &l->syn);
	if (l->waiting && l->oldest_wait_ns != NS_UNKNOWN)
		line->longest_wait_ns = line->longest_wait_ns == NS_UNKNOWN ?
						l->oldest_wait_ns :
						more_of(line->longest_wait_ns, l->oldest_wait_ns);
}

static void add_overflow(struct queues *q, struct grid *g, const struct record *r, unsigned column)
{
	const struct record_overflow *o = &r->overflow;
	static const struct queue no_syn;
	struct queue_line *line;
	struct queue_cell *cell;

	if (!o->has_listener || !record_by_queue(o))
		return;
	line = line_of(q, r, o->netns, &o->listener);
	if (!line)
		return;
	set_owner(line, &o->owner);
	if (o->accept.known)
		take_look(q, g, line, column, &o->accept, &no_syn);
	if (record_is_cookie(o)) {
		line->cookies += o->count;
		return;
	}
	*(record_is_ack(o) ? &line->refused_ack : &line->refused_syn) += o->count;
	cell = cell_of(q, g, line, column, true);
	if (cell)
		cell->refused += o->count;
}

void queues_add(struct queues *q, struct grid *g, struct containers *c, const struct record *r, unsigned column)
{
	if (r->type == RECORD_LISTENER)
		add_listener(q, g, c, r, column);
	else if (r->type == RECORD_OVERFLOW)
		add_overflow(q, g, r, column);
}

/* Of the max + 1 that it holds. */
static double share_of(const struct queue_line *line)
{
	return line->limit == COUNT_UNKNOWN ? 0 : (double)line->peak / ((double)line->limit + 1);
}

static int compare_lines(const void *a, const void *b)
{
	const struct queue_line *x = a, *y = b;
	uint64_t i = x->refused_syn + x->refused_ack, j = y->refused_syn + y->refused_ack;

	if (i != j)
		return i < j ? 1 : -1;
	if (share_of(x) != share_of(y))
		return share_of(x) < share_of(y) ? 1 : -1;
	if (x->peak != y->peak)
		return x->peak < y->peak ? 1 : -1;
	return memcmp(&x->key, &y->key, sizeof(x->key));
}

void queues_sort(struct queues *q)
{
	if (q->keys.count)
		qsort(q->lines, q->keys.count, sizeof(*q->lines), compare_lines);
}
