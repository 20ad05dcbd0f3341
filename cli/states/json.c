// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/states/render.h"
#include "cli/text/text.h"

#include "common/addr.h"
#include "common/clock.h"
#include "common/names.h"
#include "common/record_type.h"

static void put_null(struct buf *b, const char *key)
{
	json_string(b, key, NULL);
}

/* Begin an object of its own: its first member has no comma before it. */
static void open_object(struct buf *b, const char *key)
{
	buf_lit(b, ",\"");
	buf_str(b, key);
	buf_lit(b, "\":{");
}

static void put_first(struct buf *b, const char *key, uint64_t value)
{
	buf_lit(b, "\"");
	buf_str(b, key);
	buf_lit(b, "\":");
	buf_u64(b, value);
}

static void put_address(struct buf *b, const char *key, const uint8_t *addr)
{
	buf_lit(b, ",\"");
	buf_str(b, key);
	buf_lit(b, "\":\"");
	addr_format(b, addr);
	buf_lit(b, "\"");
}

static void put_end(struct buf *b, const char *key, const uint8_t *addr, uint16_t port)
{
	open_object(b, key);
	buf_lit(b, "\"addr\":\"");
	addr_format(b, addr);
	buf_lit(b, "\"");
	json_number(b, "port", port);
	buf_lit(b, "}");
}

static void put_process(struct buf *b, const struct states_group *g)
{
	if (!g->owned) {
		put_null(b, "process");
		return;
	}
	open_object(b, "process");
	put_first(b, "pid", g->owner.pid);
	json_string(b, "comm", g->owner.state.comm);
	buf_lit(b, "}");
}

static void put_files(struct buf *b, const struct states_group *g)
{
	if (!g->owned || g->owner.files == FILES_UNKNOWN) {
		put_null(b, "open_files");
		return;
	}
	open_object(b, "open_files");
	put_first(b, "used", g->owner.files);
	if (g->owner.files_limit == FILES_UNKNOWN)
		put_null(b, "limit");
	else
		json_number(b, "limit", g->owner.files_limit);
	buf_lit(b, "}");
}

static void put_ports(struct buf *b, const struct ports_left *p)
{
	if (!p->known) {
		put_null(b, "ports");
		return;
	}
	open_object(b, "ports");
	put_first(b, "low", p->low);
	json_number(b, "high", p->high);
	json_number(b, "reserved", p->reserved);
	json_number(b, "listening", p->listening);
	json_number(b, "usable", p->usable);
	json_number(b, "used", p->used);
	json_number(b, "time_wait", p->time_wait);
	json_number(b, "reusable", p->reusable);
	json_number(b, "left", p->left);
	buf_lit(b, "}");
}

static void put_owner_key(struct buf *b, const struct states_group *g)
{
	put_process(b, g);
	put_files(b, g);
}

static void put_listener_key(struct buf *b, const struct states_group *g)
{
	put_end(b, "local", g->key.local, g->key.local_port);
	put_process(b, g);
	if (!g->limit) {
		put_null(b, "accept_queue");
		return;
	}
	open_object(b, "accept_queue");
	put_first(b, "len", g->queue);
	json_number(b, "room", g->limit);
	buf_lit(b, "}");
}

/* At the rate of late: null if ports do not run out at it. */
static void put_forecast(struct buf *b, const struct ports_left *p)
{
	if (!p->known)
		return;
	open_object(b, "forecast");
	put_first(b, "time_wait_per_min", (uint64_t)(p->new_per_s * 60 + 0.5));
	if (p->runs_out_ms == UINT64_MAX)
		put_null(b, "out_ns");
	else
		json_number(b, "out_ns", p->runs_out_ms * NSEC_PER_MSEC);
	buf_lit(b, "}");
}

static void put_destination_key(struct buf *b, const struct states_group *g)
{
	put_address(b, "local_addr", g->key.local);
	put_end(b, "remote", g->key.remote, g->key.remote_port);
	put_ports(b, &g->ports);
	put_forecast(b, &g->ports);
}

static void (*const put_key[STATES_BYS])(struct buf *b, const struct states_group *g) = {
	[BY_OWNER] = put_owner_key,
	[BY_LISTENER] = put_listener_key,
	[BY_DESTINATION] = put_destination_key,
};

/* Of each state that there is a socket in: how long the oldest has been in it, at least. */
static void put_oldest(struct buf *b, const struct states_group *g)
{
	size_t start;

	open_object(b, "oldest_ns");
	start = b->len;
	for (int i = 0; i < TCP_STATES; i++) {
		if (!state_names[i] || !g->count[i])
			continue;
		if (b->len > start)
			buf_lit(b, ",");
		buf_lit(b, "\"");
		buf_str(b, state_names[i]);
		buf_lit(b, "\":");
		if (g->oldest_ms[i] == UINT64_MAX)
			buf_lit(b, "null");
		else
			buf_u64(b, g->oldest_ms[i] * NSEC_PER_MSEC);
	}
	buf_lit(b, "}");
}

static void put_counts(struct buf *b, const struct states_group *g)
{
	bool first = true;

	json_number(b, "sockets", g->sockets);
	open_object(b, "states");
	for (int i = 0; i < TCP_STATES; i++) {
		if (!state_names[i])
			continue;
		if (first)
			put_first(b, state_names[i], g->count[i]);
		else
			json_number(b, state_names[i], g->count[i]);
		first = false;
	}
	buf_lit(b, "}");
	put_oldest(b, g);
	json_number(b, "stuck", g->stuck);
	json_number(b, "orphans", g->orphans);
	json_number(b, "unaccepted", g->unaccepted);
	if (g->key.by == BY_OWNER || g->key.by == BY_NETNS)
		json_number(b, "unfound", g->unfound);
	if (g->count[TCP_TIME_WAIT]) {
		open_object(b, "time_wait_ends_ns");
		put_first(b, "first", g->first_end_ms * NSEC_PER_MSEC);
		json_number(b, "last", g->last_end_ms * NSEC_PER_MSEC);
		buf_lit(b, "}");
	}
}

static void put_group(struct buf *b, const struct states_group *g)
{
	record_type_open(b, RECORD_STATES);
	json_string(b, "by", states_by_names[g->key.by]);
	json_number(b, "netns", g->key.netns);
	if (put_key[g->key.by])
		put_key[g->key.by](b, g);
	put_counts(b, g);
	if (g->share >= 0)
		json_number(b, "taken_percent", (uint64_t)(g->share * 100));
	else
		put_null(b, "taken_percent");
	buf_lit(b, "}\n");
}

void states_json(struct buf *b, const struct states_shown *shown)
{
	const struct states_look *look = shown->look;

	for (size_t i = 0; i < states_count(shown->states); i++)
		if (states_is_shown(shown, states_at(shown->states, i)->key.by))
			put_group(b, states_at(shown->states, i));
	record_type_open(b, RECORD_STATES_SUMMARY);
	json_number(b, "netns_seen", look->namespaces.seen);
	json_number(b, "netns_unseen", look->namespaces.unseen);
	if (look->namespaces.unseen)
		json_string(b, "netns_error", errno_name(-look->namespaces.error));
	json_number(b, "netns_hidden_processes", look->namespaces.hidden);
	json_number(b, "files_hidden_processes", look->processes_hidden);
	buf_str(b, look->owners_error ? ",\"files_complete\":false" : ",\"files_complete\":true");
	json_number(b, "cost_ns", look->cost_ns);
	buf_lit(b, "}\n");
	b->failed = b->failed || states_failed(shown->states);
}
