// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/records/record.h"

#include <stdbool.h>
#include <stdlib.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/connection.h"
#include "common/names.h"
#include "daemon/records/parts.h"

const enum record_type record_of_kind[EVENT_KINDS] = {
	[EVENT_HANDSHAKE] = RECORD_HANDSHAKE, [EVENT_LISTENER] = RECORD_LISTENER,
	[EVENT_OVERFLOW] = RECORD_OVERFLOW,   [EVENT_ACCEPT] = RECORD_ACCEPT,
	[EVENT_RESET] = RECORD_RESET,	      [EVENT_RETRANSMIT] = RECORD_RETRANSMIT,
};

void record_times(struct buf *b, uint64_t mono_ns, int64_t real_ns)
{
	static struct clock_cache cache;

	buf_lit(b, "\"ts\":\"");
	clock_format(&cache, b, real_ns);
	buf_lit(b, "\",\"mono_ns\":");
	buf_u64(b, mono_ns);
}

void record_begin(struct record *r, enum record_type type, uint64_t mono_ns, int64_t offset_ns)
{
	r->type = type;
	r->mono_ns = mono_ns;
	r->real_ns = (int64_t)mono_ns + offset_ns;
	buf_clear(&r->body);
	record_times(&r->body, r->mono_ns, r->real_ns);
}

static void put_error(struct buf *b, int error)
{
	const char *name = error ? errno_name(error) : NULL;

	buf_lit(b, ",\"errno\":");
	if (error)
		buf_u64(b, (uint64_t)error);
	else
		buf_lit(b, "null");
	buf_lit(b, ",\"errno_name\":");
	if (name)
		buf_json_str(b, name, SIZE_MAX);
	else
		buf_lit(b, "null");
}

static void put_ends(struct buf *b, const struct event_handshake *e)
{
	put_family(b, e->remote_addr);
	buf_lit(b, ",\"netns\":");
	buf_u64(b, e->header.netns);
	buf_lit(b, ",\"local\":");
	put_endpoint(b, e->local_addr, e->local_port);
	buf_lit(b, ",\"remote\":");
	put_endpoint(b, e->remote_addr, e->remote_port);
}

static void put_measures(struct buf *b, const struct event_handshake *e)
{
	buf_lit(b, ",\"latency_ns\":");
	put_ns(b, e->latency_ns);
	buf_lit(b, ",\"rtt_ns\":");
	put_ns(b, e->rtt_ns);
	buf_lit(b, ",\"retransmits\":");
	buf_u64(b, e->retransmits);
	buf_lit(b, ",\"retransmit_wait_ns\":");
	put_ns(b, e->retransmit_wait_ns);
	buf_lit(b, ",\"fastopen\":");
	put_bool(b, e->flags & HANDSHAKE_FASTOPEN);
	buf_lit(b, ",\"syncookie\":");
	put_bool(b, e->flags & HANDSHAKE_SYNCOOKIE);
	buf_lit(b, ",\"simultaneous\":");
	put_bool(b, e->flags & HANDSHAKE_SIMULTANEOUS);
	buf_lit(b, ",\"partial\":");
	put_bool(b, e->flags & HANDSHAKE_PARTIAL);
}

static void put_conn(struct buf *b, const struct event_handshake *e)
{
	buf_lit(b, ",\"conn\":");
	if (e->flags & HANDSHAKE_NO_ISN) {
		buf_lit(b, "null");
		return;
	}
	buf_lit(b, "\"");
	buf_hex64(b, connection_hash(e->local_addr, e->local_port, e->remote_addr, e->remote_port,
				     e->client_isn));
	buf_lit(b, "\"");
}

static void put_cause(struct buf *b, const struct cause *cause)
{
	buf_lit(b, ",\"cause\":{\"code\":\"");
	buf_str(b, cause_names[cause->code]);
	buf_lit(b, "\",\"certainty\":\"");
	buf_str(b, certainty_names[cause->proven]);
	buf_lit(b, "\",\"detail\":");
	buf_json_str(b, cause->detail, sizeof(cause->detail));
	buf_lit(b, "}");
}

void record_handshake(struct buf *b, const struct event_handshake *e, struct identity *identity,
		      const struct listener_owner *owner, const struct verdict *verdict)
{
	put_conn(b, e);
	buf_lit(b, ",\"role\":\"");
	buf_str(b, role_names[e->role]);
	buf_lit(b, "\",\"outcome\":\"");
	buf_str(b, outcome_names[e->outcome]);
	buf_lit(b, "\"");
	if (e->outcome != OUTCOME_ESTABLISHED)
		put_error(b, e->error);
	put_ends(b, e);
	put_measures(b, e);
	if (e->flags & HANDSHAKE_DEFERRED)
		buf_lit(b, ",\"deferred\":true");
	if (verdict->inferred)
		buf_lit(b, ",\"inferred\":true");
	if (verdict->cause && verdict->cause->code != CAUSE_NONE)
		put_cause(b, verdict->cause);
	if (e->role == ROLE_PASSIVE && !verdict->inferred)
		put_accept_queue(b, e->listener.accept_queue_len, e->listener.accept_queue_max);
	buf_lit(b, ",\"process\":");
	if (e->role == ROLE_ACTIVE && e->caller.pid)
		put_process(b, e->caller.pid, e->caller.uid, e->caller.comm);
	else
		put_owner(b, e->role == ROLE_PASSIVE ? owner : NULL);
	buf_lit(b, ",");
	identity_append_cgroup(identity, b, e->cgroup_id);
	buf_lit(b, "}\n");
}

void record_accept(struct buf *b, const struct event_accept *e)
{
	buf_lit(b, ",\"conn\":\"");
	buf_hex64(b, connection_hash(e->local_addr, e->local_port, e->remote_addr, e->remote_port,
				     e->client_isn));
	buf_lit(b, "\"");
	put_family(b, e->remote_addr);
	buf_lit(b, ",");
	put_count(b, "netns", e->header.netns);
	buf_lit(b, ",\"local\":");
	put_endpoint(b, e->local_addr, e->local_port);
	buf_lit(b, ",\"remote\":");
	put_endpoint(b, e->remote_addr, e->remote_port);
	buf_lit(b, ",\"wait_ns\":");
	put_ns(b, e->wait_ns);
	if (e->evidence == ACCEPT_FUNCTION)
		buf_lit(b, ",\"evidence\":\"function\",\"process\":");
	else
		buf_lit(b, ",\"evidence\":\"syscall\",\"process\":");
	put_process(b, e->pid, e->uid, e->comm);
	buf_lit(b, "}\n");
}

void record_loss(struct buf *b, const char *what, const char *why, uint64_t count)
{
	buf_lit(b, ",\"what\":\"");
	buf_str(b, what);
	buf_lit(b, "\",\"why\":\"");
	buf_str(b, why);
	buf_lit(b, "\",\"count\":");
	buf_u64(b, count);
	buf_lit(b, "}\n");
}

void record_members(struct buf *b, const cJSON *members)
{
	char *text = cJSON_PrintUnformatted(members);

	if (!text) {
		b->failed = true;
		return;
	}
	if (members->child) {
		buf_lit(b, ",");
		buf_safe(b, text + 1, strlen(text + 1)); /* without its brace */
	} else {
		buf_lit(b, "}");
	}
	buf_lit(b, "\n");
	free(text);
}
