// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/records/record.h"

#include <stdbool.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/connection.h"
#include "common/json.h"
#include "common/names.h"
#include "daemon/cause/sighting.h"
#include "daemon/records/parts.h"

const enum record_type record_of_kind[EVENT_KINDS] = {
	[EVENT_HANDSHAKE] = RECORD_HANDSHAKE, [EVENT_LISTENER] = RECORD_LISTENER,
	[EVENT_OVERFLOW] = RECORD_OVERFLOW,   [EVENT_ACCEPT] = RECORD_ACCEPT,
	[EVENT_RESET] = RECORD_RESET,	      [EVENT_RETRANSMIT] = RECORD_RETRANSMIT,
	[EVENT_DROP] = RECORD_DROP,	      [EVENT_CLOSE] = RECORD_CLOSE,
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

static void put_measures(struct buf *b, const struct event_handshake *e)
{
	put_member(b, "latency_ns", put_ns, e->latency_ns);
	put_member(b, "rtt_ns", put_ns, e->rtt_ns);
	put_member(b, "retransmits", buf_u64, e->retransmits);
	put_member(b, "retransmit_wait_ns", put_ns, e->retransmit_wait_ns);
	put_member(b, "fastopen", put_bool, e->flags & HANDSHAKE_FASTOPEN);
	put_member(b, "syncookie", put_bool, e->flags & HANDSHAKE_SYNCOOKIE);
	put_member(b, "simultaneous", put_bool, e->flags & HANDSHAKE_SIMULTANEOUS);
	put_member(b, "partial", put_bool, e->flags & HANDSHAKE_PARTIAL);
}

static void put_conn(struct buf *b, const struct event_handshake *e, const struct peer *peer)
{
	if (e->flags & HANDSHAKE_NO_ISN)
		put_member(b, "conn", put_text, NULL);
	else
		put_member(b, "conn", put_hash, peer ? peer->conn :
			   connection_hash(e->local_addr, e->local_port, e->remote_addr, e->remote_port,
					   e->client_isn));
}

/* What NAT leaves as it is, so that it joins both sides: null if it is not known, or no SYN left. */
static void put_isn(struct buf *b, const struct event_handshake *e)
{
	buf_lit(b, ",\"client_isn\":");
	if (e->flags & (HANDSHAKE_NO_ISN | HANDSHAKE_UNSENT)) {
		buf_lit(b, "null");
		return;
	}
	buf_lit(b, "\"");
	buf_hex32(b, e->client_isn);
	buf_lit(b, "\"");
}

static void put_cause(struct buf *b, const struct cause *cause)
{
	buf_lit(b, ",\"cause\":{\"code\":\"");
	buf_str(b, cause_names[cause->code]);
	buf_lit(b, "\"");
	put_word(b, "certainty", certainty_names[cause->proven]);
	put_member(b, "detail", buf_json_str, cause->detail, sizeof(cause->detail));
	buf_lit(b, "}");
}

void record_handshake(struct buf *b, const struct event_handshake *e, struct identity *identity,
		      const struct listener_owner *owner, const struct verdict *verdict)
{
	put_conn(b, e, verdict->peer);
	put_isn(b, e);
	put_word(b, "role", role_names[e->role]);
	put_word(b, "outcome", outcome_names[e->outcome]);
	if (e->outcome != OUTCOME_ESTABLISHED) {
		json_known(b, "errno", e->error, e->error);
		put_member(b, "errno_name", put_text, e->error ? errno_name(e->error) : NULL);
	}
	put_ends_of(b, e);
	if (verdict->peer)
		put_member(b, "nat", put_endpoint, verdict->peer->addr, verdict->peer->port);
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

void record_accept(struct buf *b, const struct event_accept *e, uint64_t conn)
{
	put_member(b, "conn", put_hash, conn);
	put_ends_of(b, e);
	put_member(b, "wait_ns", put_ns, e->wait_ns);
	put_word(b, "evidence", e->evidence == CALL_BY_FUNCTION ? "function" : "syscall");
	put_member(b, "process", put_process, e->pid, e->uid, e->comm);
	buf_lit(b, "}\n");
}

void record_loss(struct buf *b, const char *what, const char *why, uint64_t count)
{
	put_word(b, "what", what);
	put_word(b, "why", why);
	put_member(b, "count", buf_u64, count);
	buf_lit(b, "}\n");
}

static void put_file(struct buf *b, const char *key, const char *name, uint64_t first, uint64_t last)
{
	json_object(b, key);
	json_string(b, "file", name);
	json_known(b, "first_seq", first, first);
	json_known(b, "last_seq", last, last);
	buf_lit(b, "}");
}

void record_rotation(struct buf *b, const char *ended, uint64_t ended_first, uint64_t ended_last, const char *removed,
		     uint64_t removed_first, uint64_t removed_last)
{
	put_file(b, "ended", ended, ended_first, ended_last);
	if (*removed)
		put_file(b, "removed", removed, removed_first, removed_last);
	buf_lit(b, "}\n");
}
