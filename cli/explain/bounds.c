// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What keeps the model small, whatever a recording holds: connections whose other side does not come soon are forgotten,
 * and of many handshakes that were harmed the older ones are counted by what they have in common. Of several hosts,
 * nothing is: their records explain each other.
 */
#include "cli/explain/model_internal.h"

#include <stdlib.h>
#include <string.h>

#define BOTH_SIDES (1U << ROLE_ACTIVE | 1U << ROLE_PASSIVE)

/* Two halves: what is looked for in the newer one is looked for in the older one, too. */
void explain_forget(struct explain *e)
{
	const struct connection *older = e->older.items;

	if (e->connection_keys.count < CONNECTIONS_MAX || e->hosts.count)
		return;
	for (size_t i = 0; i < e->older.count; i++)
		e->totals.forgotten += (older[i].roles & BOTH_SIDES) != BOTH_SIDES;
	keyset_free(&e->older_keys);
	free(e->older.items);
	e->older_keys = e->connection_keys;
	e->older = e->connections;
	e->connection_keys = (struct keyset){ .key_size = sizeof(uint64_t) };
	e->connections = (struct array){ 0 };
}

void explain_remember(const struct explain *e, uint64_t conn, struct connection *c)
{
	size_t number = keyset_find(&e->older_keys, &conn);
	struct connection *older = e->older.items;

	if (number == KEYSET_NONE)
		return;
	c->roles = older[number].roles;
	c->harm = older[number].harm;
	older[number].roles = BOTH_SIDES; /* it is not forgotten with the others */
}

/* All that a harm is counted by, but for its time: that is summed up. */
static struct harm key_of(const struct harm *h)
{
	struct harm key;

	memset(&key, 0, sizeof(key));
	key.cause = h->cause;
	key.outcome = h->outcome;
	key.failed = h->failed;
	key.proven = h->proven;
	key.lead = h->lead;
	return key;
}

static void fold(struct explain *e, const struct harm *h)
{
	struct harm key = key_of(h);
	uint64_t lost = explain_time_lost(e, h);
	struct harms *all;
	bool added;
	size_t number = keyset_put(&e->folded_keys, &key, &added);

	if (number == KEYSET_NONE) {
		e->failed = true;
		return;
	}
	all = added ? explain_append(e, &e->folded, sizeof(*all)) : (struct harms *)e->folded.items + number;
	if (!all)
		return;
	all->count++;
	all->untimed += lost == NS_UNKNOWN;
	all->lost_ns += lost == NS_UNKNOWN ? 0 : lost;
}

/* `gone` harms are no longer in the list. */
static void renumber(struct array *connections, uint32_t gone)
{
	struct connection *c = connections->items;

	for (size_t i = 0; i < connections->count; i++)
		if (c[i].harm && c[i].harm != HARM_FOLDED)
			c[i].harm = c[i].harm <= gone ? HARM_FOLDED : c[i].harm - gone;
}

void explain_fold_harms(struct explain *e)
{
	struct harm *harms = e->harms.items;
	size_t gone = e->harms.count / 2;

	if (e->harms.count < HARMS_MAX || e->hosts.count)
		return;
	for (size_t i = 0; i < gone; i++)
		fold(e, &harms[i]);
	e->harms.count -= gone;
	memmove(harms, harms + gone, e->harms.count * sizeof(*harms));
	renumber(&e->connections, (uint32_t)gone);
	renumber(&e->older, (uint32_t)gone);
}
