// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/states/render.h"

#include "common/addr.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/names.h"
#include "common/record_type.h"

static void put_address(struct buf *b, const char *key, const uint8_t *addr)
{
	json_key(b, key);
	buf_lit(b, "\"");
	addr_format(b, addr);
	buf_lit(b, "\"");
}

static void put_end(struct buf *b, const char *key, const uint8_t *addr, uint16_t port)
{
	json_object(b, key);
	put_address(b, "addr", addr);
	json_number(b, "port", port);
	buf_lit(b, "}");
}

static void put_process(struct buf *b, const struct states_group *g)
{
	if (!g->owned) {
		json_null(b, "process");
		return;
	}
	json_object(b, "process");
	json_number(b, "pid", g->owner.pid);
	json_string(b, "comm", g->owner.state.comm);
	buf_lit(b, "}");
}

static void put_files(struct buf *b, const struct states_group *g)
{
	if (!g->owned || g->owner.files == FILES_UNKNOWN) {
		json_null(b, "open_files");
		return;
	}
	json_object(b, "open_files");
	json_number(b, "used", g->owner.files);
	json_known(b, "limit", g->owner.files_limit != FILES_UNKNOWN, g->owner.files_limit);
	buf_lit(b, "}");
}

static void put_ports(struct buf *b, const struct ports_left *p)
{
	if (!p->known) {
		json_null(b, "ports");
		return;
	}
	json_object(b, "ports");
	json_number(b, "low", p->low);
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
		json_null(b, "accept_queue");
		return;
	}
	json_object(b, "accept_queue");
	json_number(b, "len", g->queue);
	json_number(b, "room", g->limit);
	buf_lit(b, "}");
}

/* At the rate of late: null if ports do not run out at it. */
static void put_forecast(struct buf *b, const struct ports_left *p)
{
	if (!p->known)
		return;
	json_object(b, "forecast");
	json_number(b, "time_wait_per_min", (uint64_t)(p->new_per_s * 60 + 0.5));
	json_known(b, "out_ns", p->runs_out_ms != UINT64_MAX, p->runs_out_ms * NSEC_PER_MSEC);
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
	json_object(b, "oldest_ns");
	for (int i = 0; i < TCP_STATES; i++)
		if (state_names[i] && g->count[i])
			json_known(b, state_names[i], g->oldest_ms[i] != UINT64_MAX, g->oldest_ms[i] * NSEC_PER_MSEC);
	buf_lit(b, "}");
}

static void put_counts(struct buf *b, const struct states_group *g)
{
	json_number(b, "sockets", g->sockets);
	json_object(b, "states");
	for (int i = 0; i < TCP_STATES; i++)
		if (state_names[i])
			json_number(b, state_names[i], g->count[i]);
	buf_lit(b, "}");
	put_oldest(b, g);
	json_number(b, "stuck", g->stuck);
	json_number(b, "orphans", g->orphans);
	json_number(b, "unaccepted", g->unaccepted);
	if (g->key.by == BY_OWNER || g->key.by == BY_NETNS)
		json_number(b, "unfound", g->unfound);
	if (g->count[TCP_TIME_WAIT]) {
		json_object(b, "time_wait_ends_ns");
		json_number(b, "first", g->first_end_ms * NSEC_PER_MSEC);
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
	json_known(b, "taken_percent", g->share >= 0, g->share >= 0 ? (uint64_t)(g->share * 100) : 0);
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
	json_bool(b, "files_complete", !look->owners_error);
	json_number(b, "cost_ns", look->cost_ns);
	buf_lit(b, "}\n");
	b->failed = b->failed || states_failed(shown->states);
}
