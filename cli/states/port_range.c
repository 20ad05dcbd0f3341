// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/states/port_range.h"

#include <stdlib.h>
#include <string.h>

#include "common/addr.h"

static bool is_barred(const struct port_range *r, unsigned port)
{
	return r->barred[port >> 3] & (1u << (port & 7));
}

static bool in_range(const struct port_range *r, unsigned port)
{
	return port >= r->low && port <= r->high;
}

/* True if it is of the range, and was not barred before. */
static bool bar(struct port_range *r, unsigned port)
{
	bool counts = in_range(r, port) && !is_barred(r, port);

	r->barred[port >> 3] |= (uint8_t)(1u << (port & 7));
	return counts;
}

void port_range_reserve(struct port_range *r, const char *list)
{
	while (*list) {
		char *end;
		unsigned long low = strtoul(list, &end, 10), high = low;

		if (end == list)
			return;
		if (*end == '-')
			high = strtoul(end + 1, &end, 10);
		for (unsigned long port = low; port <= high && port <= 65535; port++)
			r->reserved += bar(r, (unsigned)port);
		list = *end == ',' ? end + 1 : end;
	}
}

void port_range_listen(struct port_range *r, uint16_t port)
{
	r->listening += bar(r, port);
}

static bool is_loopback(const uint8_t *addr)
{
	static const uint8_t one[16] = { [15] = 1 };

	return addr_is_ipv4(addr) ? addr[12] == 127 : memcmp(addr, one, sizeof(one)) == 0;
}

bool port_range_reuses(const struct port_range *r, const uint8_t *local, const uint8_t *remote)
{
	if (!r->timestamps || r->tw_reuse == TW_REUSE_OFF)
		return false;
	return r->tw_reuse == TW_REUSE_ON || is_loopback(local) || is_loopback(remote);
}

static int compare(const void *a_taken, const void *b_taken)
{
	const struct port_taken *a = a_taken, *b = b_taken;

	if (a->group != b->group)
		return a->group < b->group ? -1 : 1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	return (int)a->time_wait - (int)b->time_wait; /* a port that is also otherwise in use is not in TIME_WAIT */
}

void ports_taken_sort(struct port_taken *taken, size_t count)
{
	if (count)
		qsort(taken, count, sizeof(*taken), compare);
}

size_t ports_left_count(struct ports_left *left, const struct port_range *r, bool reuses, struct port_taken *taken, size_t count)
{
	size_t counted = 0;
	uint64_t blocked;

	*left = (struct ports_left){
		.known = r->known,
		.low = r->low,
		.high = r->high,
		.reserved = r->reserved,
		.listening = r->listening,
		.runs_out_ms = UINT64_MAX,
	};
	if (!r->known)
		return 0;
	left->usable = (uint64_t)(r->high - r->low) + 1 - r->reserved - r->listening;
	for (size_t i = 0; i < count; i++) {
		struct port_taken t = taken[i];

		/* Twice: one of them has just ended. */
		if (!in_range(r, t.port) || is_barred(r, t.port) || (counted && t.port == taken[counted - 1].port))
			continue;
		taken[counted++] = t;
		left->time_wait += t.time_wait;
		left->reusable += t.time_wait && reuses;
	}
	left->used = counted;
	blocked = left->used - left->reusable;
	left->left = blocked < left->usable ? left->usable - blocked : 0;
	return counted;
}
