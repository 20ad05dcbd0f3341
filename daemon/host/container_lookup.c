// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/host/container_lookup.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/keyset.h"
#include "daemon/host/container_names.h"

struct known {
	struct container_names names;
	uint64_t again_ns; /* when to look */
	uint64_t wait_ns; /* how long it waited for that */
};

struct container_lookup {
	const char *root;
	struct keyset ids;
	struct known known[CONTAINER_LOOKUP_ROOM];
	uint64_t spent_ns; /* of the burst */
	uint64_t spent_at_ns; /* when that was so */
	bool hold;
};

struct container_lookup *container_lookup_new(const char *root)
{
	struct container_lookup *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->root = root;
	if (keyset_init(&l->ids, sizeof(((struct container *)0)->id), CONTAINER_LOOKUP_ROOM)) {
		free(l);
		return NULL;
	}
	return l;
}

void container_lookup_free(struct container_lookup *l)
{
	if (!l)
		return;
	keyset_free(&l->ids);
	free(l);
}

void container_lookup_hold(struct container_lookup *l, bool hold)
{
	l->hold = hold;
}

/* What was spent is forgotten at a tenth of the pace at which it was. */
static bool may_look(struct container_lookup *l, uint64_t now_ns)
{
	uint64_t regained = (now_ns - l->spent_at_ns) / CONTAINER_LOOKUP_SHARE;

	if (l->hold)
		return false;
	l->spent_ns -= regained < l->spent_ns ? regained : l->spent_ns;
	l->spent_at_ns = now_ns;
	return l->spent_ns < CONTAINER_LOOKUP_BURST_NS;
}

/* What was known stays so when its files are gone. */
static void keep(struct known *k, const struct container_names *found)
{
	if (found->name[0] || (!k->names.name[0] && found->pod[0]))
		k->names = *found;
}

static void look(struct container_lookup *l, const struct container *c, struct known *k, uint64_t now_ns)
{
	struct container_names found;
	uint64_t start;

	k->again_ns = now_ns + CONTAINER_LOOKUP_FIRST_NS;
	if (!may_look(l, now_ns))
		return;
	start = clock_mono_ns();
	if (container_names_find(l->root, c, &found) == 0) {
		keep(k, &found);
		k->wait_ns = k->wait_ns ? 2 * k->wait_ns : CONTAINER_LOOKUP_FIRST_NS;
		if (found.name[0] || k->wait_ns > CONTAINER_LOOKUP_LAST_NS)
			k->wait_ns = CONTAINER_LOOKUP_LAST_NS;
		k->again_ns = now_ns + k->wait_ns;
	}
	l->spent_ns += clock_mono_ns() - start;
}

const struct container_names *container_lookup(struct container_lookup *l, const char *path, const struct container *c,
					       uint64_t now_ns, uint64_t *again_ns)
{
	struct known *k;
	size_t number;
	bool added;

	*again_ns = UINT64_MAX;
	if (strstr(path, "/user.slice/")) /* a system in a container has one of its own */
		return NULL;
	number = keyset_put(&l->ids, c->id, &added);
	if (number == KEYSET_NONE) {
		keyset_clear(&l->ids);
		number = keyset_put(&l->ids, c->id, &added);
	}
	k = &l->known[number];
	if (added)
		*k = (struct known){};
	if (now_ns >= k->again_ns)
		look(l, c, k, now_ns);
	*again_ns = k->again_ns;
	return k->names.name[0] || k->names.pod[0] ? &k->names : NULL;
}
