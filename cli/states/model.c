// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/states/model_internal.h"

#include <stdlib.h>
#include <string.h>

#include "common/addr.h"

const char *const state_names[TCP_STATES] = {
	[TCP_ESTABLISHED] = "established", [TCP_SYN_SENT] = "syn_sent",	    [TCP_SYN_RECV] = "syn_recv",
	[TCP_FIN_WAIT1] = "fin_wait1",	   [TCP_FIN_WAIT2] = "fin_wait2",   [TCP_TIME_WAIT] = "time_wait",
	[TCP_CLOSE_WAIT] = "close_wait",   [TCP_LAST_ACK] = "last_ack",	    [TCP_LISTEN] = "listen",
	[TCP_CLOSING] = "closing",
};

const char *const states_by_names[STATES_BYS] = {
	[BY_OWNER] = "owner",
	[BY_LISTENER] = "listener",
	[BY_DESTINATION] = "destination",
	[BY_NETNS] = "netns",
};

struct states *states_new(const struct filter *filter)
{
	struct states *s = calloc(1, sizeof(*s));

	if (s) {
		s->filter = filter;
		s->cgroups.key_size = sizeof(uint64_t);
		s->keys.key_size = s->listeners.key_size = sizeof(struct states_key);
	}
	return s;
}

void states_free(struct states *s)
{
	if (!s)
		return;
	keyset_free(&s->keys);
	keyset_free(&s->listeners);
	keyset_free(&s->cgroups);
	buf_free(&s->groups);
	buf_free(&s->order);
	buf_free(&s->places);
	buf_free(&s->sockets);
	buf_free(&s->taken);
	free(s);
}

void states_clear(struct states *s)
{
	keyset_clear(&s->keys);
	keyset_clear(&s->listeners);
	keyset_clear(&s->cgroups);
	buf_clear(&s->groups);
	buf_clear(&s->order);
	buf_clear(&s->places);
	buf_clear(&s->sockets);
	buf_clear(&s->taken);
	s->failed = false;
}

void states_add_cgroup(struct states *s, uint64_t id)
{
	bool added;

	if (keyset_put(&s->cgroups, &id, &added) == KEYSET_NONE)
		s->failed = true;
}

void states_begin(struct states *s, const struct states_netns *n)
{
	buf_mem(&s->places, n, sizeof(*n));
}

struct states_netns *states_place(const struct states *s, size_t i)
{
	return (struct states_netns *)(void *)s->places.data + i;
}

const struct placed *states_socket(const struct states *s, size_t i)
{
	return (const struct placed *)(const void *)s->sockets.data + i;
}

size_t states_sockets(const struct states *s)
{
	return s->sockets.failed ? 0 : s->sockets.len / sizeof(struct placed);
}

static bool is_wanted(const struct states *s, const struct socket_seen *seen, uint32_t netns)
{
	bool below = seen->cgroup_id && keyset_find(&s->cgroups, &seen->cgroup_id) != KEYSET_NONE;
	const struct filter_subject subject = {
		.ends_only = true,
		.netns = netns,
		.local_port = seen->local_port,
		.remote_port = seen->remote_port,
		.remote_addr = seen->state == TCP_LISTEN ? NULL : seen->remote,
		.cgroup_id = seen->cgroup_id,
		.cgroup_path = below ? s->filter->cgroup : NULL,
	};

	return filter_match(s->filter, &subject);
}

void states_add(struct states *s, const struct socket_seen *seen)
{
	size_t places = s->places.len / sizeof(struct states_netns);
	struct placed p = { .seen = *seen, .place = (uint32_t)places - 1 };
	struct states_netns *place;
	struct states_key key = { .by = BY_LISTENER };
	bool added;

	if (s->places.failed || !places || seen->state >= TCP_STATES || !state_names[seen->state])
		return;
	place = states_place(s, places - 1);
	p.wanted = is_wanted(s, seen, place->netns);
	buf_mem(&s->sockets, &p, sizeof(p));
	if (seen->state != TCP_LISTEN)
		return;
	port_range_listen(&place->range, seen->local_port);
	key.netns = place->netns;
	key.local_port = seen->local_port;
	memcpy(key.local, seen->local, sizeof(key.local));
	if (keyset_put(&s->listeners, &key, &added) == KEYSET_NONE)
		s->failed = true;
	key.remote_port = ONLY_IPV6;
	if (seen->v6only && keyset_put(&s->listeners, &key, &added) == KEYSET_NONE)
		s->failed = true;
}

void states_take_back(struct states *s)
{
	size_t last = s->places.len / sizeof(struct states_netns) - 1, kept = states_sockets(s);

	while (kept && states_socket(s, kept - 1)->place == last)
		kept--;
	s->sockets.len = kept * sizeof(struct placed);
	s->places.len = last * sizeof(struct states_netns);
}

void states_each_inode(const struct states *s, int (*fn)(void *ctx, uint32_t inode), void *ctx)
{
	for (size_t i = 0; i < states_sockets(s); i++) {
		const struct placed *p = states_socket(s, i);

		if (p->wanted && p->seen.inode && fn(ctx, p->seen.inode) < 0)
			return;
	}
}

size_t states_count(const struct states *s)
{
	return s->failed ? 0 : s->order.len / sizeof(size_t);
}

const struct states_group *states_at(const struct states *s, size_t i)
{
	return states_group_at(s, ((const size_t *)(const void *)s->order.data)[i]);
}

struct states_group *states_group_at(const struct states *s, size_t number)
{
	return (struct states_group *)(void *)s->groups.data + number;
}

bool states_failed(const struct states *s)
{
	return s->failed || s->places.failed || s->sockets.failed;
}
