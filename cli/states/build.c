// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* From sockets to groups. */
#include "cli/states/model_internal.h"

#include <string.h>

#include "common/addr.h"

static bool has_listener(const struct states *s, struct states_key *key, const uint8_t *addr)
{
	memcpy(key->local, addr, sizeof(key->local));
	return keyset_find(&s->listeners, key) != KEYSET_NONE;
}

static bool takes_ipv4(const struct states *s, const struct states_key *listener)
{
	struct states_key marked = *listener;

	marked.remote_port = ONLY_IPV6;
	return keyset_find(&s->listeners, &marked) == KEYSET_NONE;
}

/* The listener that took it, by its local end: one of that address rather than one of all, as the kernel prefers. */
static bool is_of_listener(const struct states *s, const struct socket_seen *seen, struct states_key *key)
{
	bool ipv4 = addr_is_ipv4(seen->local);

	key->by = BY_LISTENER;
	key->local_port = seen->local_port;
	if (has_listener(s, key, seen->local) || (ipv4 && has_listener(s, key, addr_any_ipv4)))
		return true;
	return has_listener(s, key, addr_any_ipv6) && (!ipv4 || takes_ipv4(s, key));
}

static struct states_group *group_of(struct states *s, const struct states_key *key)
{
	bool added = false;
	size_t number = keyset_put(&s->keys, key, &added);
	struct states_group fresh = { .key = *key, .first_end_ms = UINT64_MAX,
				      .ports.runs_out_ms = UINT64_MAX };

	if (added) {
		memset(fresh.oldest_ms, 0xff, sizeof(fresh.oldest_ms));
		buf_mem(&s->groups, &fresh, sizeof(fresh));
	}
	s->failed = s->failed || number == KEYSET_NONE || s->groups.failed;
	return s->failed ? NULL : states_group_at(s, number);
}

/* How long it has been in its state: at least since the last ACK came, which may have been the one that led there. */
static bool dates_state(uint8_t state)
{
	return state == TCP_ESTABLISHED || state == TCP_FIN_WAIT2 || state == TCP_CLOSE_WAIT || state == TCP_CLOSING;
}

static void count(struct states_group *g, const struct socket_seen *seen)
{
	bool fileless = !seen->inode && !seen->ends;
	uint64_t *oldest = &g->oldest_ms[seen->state];

	g->sockets++;
	g->count[seen->state]++;
	if (dates_state(seen->state) && seen->quiet_ms != QUIET_UNKNOWN &&
	    (*oldest == UINT64_MAX || seen->quiet_ms > *oldest))
		*oldest = seen->quiet_ms;
	/* One without a file waits for accept(): nobody could have closed it. */
	g->stuck += seen->inode && seen->state == TCP_CLOSE_WAIT && seen->quiet_ms != QUIET_UNKNOWN && seen->quiet_ms >= STUCK_MS;
	g->unaccepted += fileless && (seen->state == TCP_ESTABLISHED || seen->state == TCP_CLOSE_WAIT);
	g->orphans += fileless && (seen->state == TCP_FIN_WAIT1 || seen->state == TCP_FIN_WAIT2 ||
				   seen->state == TCP_CLOSING || seen->state == TCP_LAST_ACK);
	if (seen->state == TCP_TIME_WAIT && seen->ends_ms < g->first_end_ms)
		g->first_end_ms = seen->ends_ms;
	if (seen->state == TCP_TIME_WAIT && seen->ends_ms > g->last_end_ms)
		g->last_end_ms = seen->ends_ms;
}

static void own(struct states_group *g, const struct file_owner *owner)
{
	if (!owner)
		return;
	g->owned = true;
	g->owner = *owner;
}

/* The end that its group is known by, and the group: of a listener, or of a destination. */
static void count_by_end(struct states *s, const struct placed *p, const struct file_owner *owner)
{
	struct states_key key = { .netns = states_place(s, p->place)->netns };
	struct states_group *g;

	if (!is_of_listener(s, &p->seen, &key)) {
		key = (struct states_key){ .by = BY_DESTINATION, .netns = key.netns };
		memcpy(key.local, p->seen.local, sizeof(key.local));
		memcpy(key.remote, p->seen.remote, sizeof(key.remote));
		key.remote_port = p->seen.remote_port;
	}
	g = group_of(s, &key);
	if (!g)
		return;
	count(g, &p->seen);
	if (p->seen.state != TCP_LISTEN)
		return;
	g->queue += p->seen.queue;
	g->limit += p->seen.limit + 1; /* it holds one more than its limit */
	if (!g->owned)
		own(g, owner);
}

static void count_socket(struct states *s, const struct placed *p, const struct owners *owners)
{
	const struct file_owner *owner = owners ? owners_of(owners, p->seen.inode) : NULL;
	struct states_key netns = { .by = BY_NETNS, .netns = states_place(s, p->place)->netns };
	struct states_key holder = { .by = BY_OWNER, .netns = netns.netns, .pid = owner ? owner->pid : 0 };
	struct states_group *g = group_of(s, &netns);

	if (g) {
		count(g, &p->seen);
		g->unfound += !owner && p->seen.inode;
	}
	g = g ? group_of(s, &holder) : NULL;
	if (!g)
		return;
	count(g, &p->seen);
	g->unfound += !owner && p->seen.inode;
	own(g, owner);
	count_by_end(s, p, owner);
}

/* Which ports are taken towards the destinations that are shown, by any process. */
static void take_ports(struct states *s)
{
	for (size_t i = 0; i < states_sockets(s); i++) {
		const struct placed *p = states_socket(s, i);
		struct states_key key = { .by = BY_DESTINATION, .netns = states_place(s, p->place)->netns };
		struct port_taken taken = { .port = p->seen.local_port, .time_wait = p->seen.state == TCP_TIME_WAIT,
					   .ends_ms = p->seen.ends_ms };

		memcpy(key.local, p->seen.local, sizeof(key.local));
		memcpy(key.remote, p->seen.remote, sizeof(key.remote));
		key.remote_port = p->seen.remote_port;
		taken.group = keyset_find(&s->keys, &key);
		if (taken.group != KEYSET_NONE)
			buf_mem(&s->taken, &taken, sizeof(taken));
	}
	s->failed = s->failed || s->taken.failed;
}

static const struct port_range *range_of(const struct states *s, uint32_t netns)
{
	static const struct port_range unknown;

	for (size_t i = 0; i < s->places.len / sizeof(struct states_netns); i++)
		if (states_place(s, i)->netns == netns)
			return &states_place(s, i)->range;
	return &unknown;
}

static void count_ports(struct states *s)
{
	struct port_taken *taken = (struct port_taken *)(void *)s->taken.data;
	size_t count = s->taken.len / sizeof(*taken);

	ports_taken_sort(taken, count);
	for (size_t i = 0, end; i < count; i = end) {
		struct states_group *g = states_group_at(s, taken[i].group);
		const struct port_range *r = range_of(s, g->key.netns);
		size_t counted;
		bool reuses;

		for (end = i; end < count && taken[end].group == taken[i].group;)
			end++;
		reuses = port_range_reuses(r, g->key.local, g->key.remote);
		counted = ports_left_count(&g->ports, r, reuses, taken + i, end - i);
		ports_forecast(&g->ports, reuses, taken + i, counted);
	}
}

static double share_of(const struct states_group *g)
{
	uint64_t files = g->owner.files, limit = g->owner.files_limit;

	if (g->key.by == BY_OWNER && g->owned && files != FILES_UNKNOWN && limit != FILES_UNKNOWN && limit)
		return (double)files / (double)limit;
	if (g->key.by == BY_LISTENER && g->limit)
		return (double)g->queue / (double)g->limit;
	if (g->key.by == BY_DESTINATION && g->ports.usable)
		return (double)(g->ports.usable - g->ports.left) / (double)g->ports.usable;
	if (g->key.by == BY_DESTINATION && g->ports.known) /* all ports are reserved, or listeners have them */
		return 1;
	return NO_LIMIT_KNOWN;
}

void states_build(struct states *s, const struct owners *owners)
{
	size_t groups;

	for (size_t i = 0; !states_failed(s) && i < states_sockets(s); i++)
		if (states_socket(s, i)->wanted)
			count_socket(s, states_socket(s, i), owners);
	if (!states_failed(s))
		take_ports(s);
	if (states_failed(s))
		return;
	count_ports(s);
	groups = s->groups.len / sizeof(struct states_group);
	for (size_t i = 0; i < groups; i++) {
		states_group_at(s, i)->share = share_of(states_group_at(s, i));
		buf_mem(&s->order, &i, sizeof(i));
	}
	s->failed = s->order.failed;
}
