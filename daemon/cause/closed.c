// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/cause/closed.h"

#include "bpf/outcome.h"
#include "common/addr.h"

void closed_add(struct closed_listeners *c, const struct closed_listener *l)
{
	struct closed_listener *at = &c->at[l->port % CLOSED];
	uint64_t overwritten_ns = at->closed_ns;

	*at = *l;
	at->overwritten_ns = overwritten_ns;
}

/* Is that address the listener's namespace's? The client's own comes first: what it sends there does not leave it. */
static bool is_there(const struct closed_listener *l, const struct event_handshake *e, local_fn local, void *ctx)
{
	if (local(ctx, e->header.netns, e->remote_addr) && e->header.netns)
		return e->header.netns == l->netns;
	return local(ctx, 0, e->remote_addr) == 1 && local(ctx, l->netns, e->remote_addr);
}

/* It listened as the first SYN left, and was bound to where that went. */
static bool took_syns(const struct closed_listener *l, const struct event_handshake *e, local_fn local, void *ctx)
{
	return addr_fit(l->addr, l->v6only, e->remote_addr) && l->opened_ns <= handshake_start_ns(e) &&
	       is_there(l, e, local, ctx);
}

void closed_find(const struct closed_listeners *c, local_fn local, void *ctx, struct evidence *out)
{
	const struct event_handshake *e = out->handshake;
	bool active = e->role == ROLE_ACTIVE;
	uint16_t port = active ? e->remote_port : e->local_port;
	const struct closed_listener *l = &c->at[port % CLOSED];
	uint64_t start_ns = handshake_start_ns(e);

	out->closed_missing = start_ns != NS_UNKNOWN && l->overwritten_ns >= start_ns;
	if (e->outcome == OUTCOME_ESTABLISHED || l->port != port || start_ns == NS_UNKNOWN || l->closed_ns < start_ns ||
	    l->closed_ns > e->end_ns)
		return;
	if (active ? took_syns(l, e, local, ctx) : e->listener.socket && l->socket == e->listener.socket)
		out->closed = (struct closed_evidence){ .at_ns = l->closed_ns, .len = l->len, .max = l->max };
}
