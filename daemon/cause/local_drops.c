// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/cause/local_drops.h"

#include <string.h>

static size_t index_of(uint64_t key, uint32_t client_isn, unsigned int segment)
{
	return (key ^ client_isn * 2654435761U) % (LOCAL_DROPS / DROP_SEGMENTS) * DROP_SEGMENTS + segment;
}

static bool is_of(const struct local_drop *d, uint64_t key, uint32_t client_isn, unsigned int segment)
{
	return d->found.count && d->key == key && d->client_isn == client_isn && d->segment == segment;
}

void local_drops_add(struct local_drops *l, uint64_t key, const struct event_drop *e)
{
	bool came = e->segment == DROP_SYN && e->direction == DROP_IN;
	size_t index = index_of(key, e->client_isn, e->segment);
	struct local_drop *d = came ? &l->came[index] : &l->own[index];

	if (!is_of(d, key, e->client_isn, e->segment))
		*d = (struct local_drop){ .key = key, .client_isn = e->client_isn, .segment = e->segment,
					  .overwritten_ns = d->last_ns,
					  .found = { .first_ns = e->mono_ns, .reason = e->reason,
						     .direction = e->direction } };
	d->found.mixed |= d->found.reason != e->reason || d->found.direction != e->direction;
	d->found.count++;
	d->last_ns = e->mono_ns;
}

static bool overwritten(const struct local_drop *d, uint64_t since_ns)
{
	return d->overwritten_ns && d->overwritten_ns >= since_ns;
}

bool local_drops_find(const struct local_drops *l, uint64_t key, uint32_t client_isn, uint64_t since_ns,
		      struct drop_evidence found[DROP_SEGMENTS])
{
	bool whole = true;

	for (unsigned int segment = 0; segment < DROP_SEGMENTS; segment++) {
		size_t index = index_of(key, client_isn, segment);
		const struct local_drop *own = &l->own[index], *came = &l->came[index];

		whole &= !overwritten(own, since_ns) && !overwritten(came, since_ns);
		memset(&found[segment], 0, sizeof(*found));
		if (is_of(own, key, client_isn, segment))
			found[segment] = own->found;
		if (!is_of(came, key, client_isn, segment))
			continue;
		if (found[segment].count) { /* at both ends of it */
			found[segment].count += came->found.count;
			found[segment].mixed = true;
		} else {
			found[segment] = came->found;
		}
	}
	return whole;
}
