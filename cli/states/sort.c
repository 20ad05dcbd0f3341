// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/states/model_internal.h"

#include <stdlib.h>
#include <string.h>

struct sorting {
	const struct states *states;
	enum sort_key key;
};

static uint64_t count_to_sort_by(const struct states_group *g, enum sort_key key)
{
	return key == SORT_CLOSE_WAIT ? g->count[TCP_CLOSE_WAIT] :
	       key == SORT_TIME_WAIT  ? g->count[TCP_TIME_WAIT] :
	       key == SORT_SOCKETS    ? g->sockets : 0;
}

static int descending(uint64_t a, uint64_t b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

/* What stands for as long as nothing changes comes last, so that rows do not jump. */
static int compare(const void *a_number, const void *b_number, void *ctx)
{
	const struct sorting *sorting = ctx;
	const struct states_group *a = states_group_at(sorting->states, *(const size_t *)a_number);
	const struct states_group *b = states_group_at(sorting->states, *(const size_t *)b_number);
	int order;

	if (a->key.by != b->key.by)
		return a->key.by < b->key.by ? -1 : 1;
	order = descending(count_to_sort_by(a, sorting->key), count_to_sort_by(b, sorting->key));
	if (!order && a->ports.runs_out_ms != b->ports.runs_out_ms)
		order = a->ports.runs_out_ms < b->ports.runs_out_ms ? -1 : 1;
	if (!order && a->share != b->share)
		order = a->share < b->share ? 1 : -1;
	if (!order)
		order = descending(a->count[TCP_CLOSE_WAIT], b->count[TCP_CLOSE_WAIT]);
	if (!order)
		order = descending(a->sockets, b->sockets);
	return order ? order : memcmp(&a->key, &b->key, sizeof(a->key));
}

void states_sort(struct states *s, enum sort_key key)
{
	struct sorting sorting = { s, key };

	if (states_count(s))
		qsort_r(s->order.data, states_count(s), sizeof(size_t), compare, &sorting);
}
