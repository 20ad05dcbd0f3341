// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/cause/refusals.h"

#include <string.h>

#include "common/addr.h"

struct refusals *refusals_add(struct refusal_table *t, const struct syn_refusals *reported)
{
	struct refusals *r;

	if (++t->serial == 0)
		t->serial = REFUSALS;
	r = &t->at[t->serial % REFUSALS];
	*r = (struct refusals){ .reported = *reported, .serial = t->serial };
	return r;
}

struct refusals *refusals_get(struct refusal_table *t, uint32_t serial)
{
	struct refusals *r = &t->at[serial % REFUSALS];

	return serial && r->serial == serial ? r : NULL;
}

bool refusals_may_have(const struct refusals *r, const struct lone_syn *syn, refusal_served_fn served,
		       void *ctx)
{
	return r->serial && r->reported.port == syn->server_port && syn->came_ns >= r->reported.from_ns &&
	       syn->sent_ns <= r->reported.to_ns && addr_fit(r->reported.addr, false, syn->server_addr) &&
	       served(ctx, r->reported.netns);
}

bool refusals_claim(struct refusal_table *t, const struct lone_syn *syn, refusal_served_fn served,
		    void *ctx, uint32_t *claim)
{
	struct refusals *best = NULL;
	bool ambiguous = false;

	for (size_t i = 0; i < REFUSALS; i++) {
		struct refusals *r = &t->at[i];

		if (!refusals_may_have(r, syn, served, ctx))
			continue;
		if (best) {
			ambiguous = true;
			best->doubtful = r->doubtful = true;
		}
		if (!best || (best->claimed >= best->reported.count && r->claimed < r->reported.count))
			best = r;
	}
	*claim = 0;
	if (!best)
		return false;
	best->wanted++;
	best->doubtful |= ambiguous;
	if (best->claimed < best->reported.count) {
		best->claimed++;
		*claim = best->serial;
	}
	return true;
}

bool refusals_doubt(const struct refusal_table *t, const struct lone_syn *syn,
		    refusal_served_fn served, void *ctx)
{
	for (size_t i = 0; i < REFUSALS; i++) {
		const struct refusals *r = &t->at[i];

		if (refusals_may_have(r, syn, served, ctx))
			return true;
		if (r->serial && r->reported.code == CODES && syn->came_ns >= r->reported.from_ns &&
		    syn->sent_ns <= r->reported.to_ns && served(ctx, r->reported.netns))
			return true;
	}
	return false;
}
