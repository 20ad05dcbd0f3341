// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "record.h"

#include <stdbool.h>
#include <stdlib.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/names.h"

const char *const record_type_names[RECORD_TYPES] = {
	[RECORD_HELLO] = "hello", [RECORD_HANDSHAKE] = "handshake", [RECORD_LOSS] = "loss",
	[RECORD_BYE] = "bye",	  [RECORD_PROBE] = "probe",	    [RECORD_END] = "end",
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

static uint64_t mix(uint64_t h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdULL;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ULL;
	return h ^ h >> 33;
}

static uint64_t hash_endpoint(const uint8_t *addr, uint16_t port)
{
	uint64_t word[2];

	memcpy(word, addr, sizeof(word));
	return mix(mix(word[0]) ^ mix(word[1] + port));
}

uint64_t record_connection(const struct event_handshake *e)
{
	uint64_t ends = hash_endpoint(e->local_addr, e->local_port) +
			hash_endpoint(e->remote_addr, e->remote_port);

	return mix(ends ^ e->client_isn);
}

static void put_endpoint(struct buf *b, const uint8_t *addr, uint16_t port)
{
	buf_lit(b, "{\"addr\":\"");
	addr_format(b, addr);
	buf_lit(b, "\",\"port\":");
	buf_u64(b, port);
	buf_lit(b, "}");
}

static void put_ns(struct buf *b, uint64_t ns)
{
	if (ns == NS_UNKNOWN)
		buf_lit(b, "null");
	else
		buf_u64(b, ns);
}

static void put_bool(struct buf *b, bool value)
{
	if (value)
		buf_lit(b, "true");
	else
		buf_lit(b, "false");
}

static void put_process(struct buf *b, uint32_t pid, uint32_t uid, const char *comm)
{
	buf_lit(b, ",\"process\":{\"pid\":");
	buf_u64(b, pid);
	buf_lit(b, ",\"comm\":");
	buf_json_str(b, comm, COMM_LEN);
	buf_lit(b, ",\"uid\":");
	buf_u64(b, uid);
	buf_lit(b, "}");
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
	if (addr_is_ipv4(e->remote_addr))
		buf_lit(b, ",\"family\":\"ipv4\",\"netns\":");
	else
		buf_lit(b, ",\"family\":\"ipv6\",\"netns\":");
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

void record_handshake(struct buf *b, const struct event_handshake *e, struct identity *identity,
		      const struct listener_owner *owner)
{
	buf_lit(b, ",\"conn\":\"");
	buf_hex64(b, record_connection(e));
	buf_lit(b, "\",\"role\":\"");
	buf_str(b, role_names[e->role]);
	buf_lit(b, "\",\"outcome\":\"");
	buf_str(b, outcome_names[e->outcome]);
	buf_lit(b, "\"");
	if (e->outcome != OUTCOME_ESTABLISHED)
		put_error(b, e->error);
	put_ends(b, e);
	put_measures(b, e);
	if (e->role == ROLE_PASSIVE) {
		buf_lit(b, ",\"accept_queue\":{\"len\":");
		buf_u64(b, e->listener.accept_queue_len);
		buf_lit(b, ",\"max\":");
		buf_u64(b, e->listener.accept_queue_max);
		buf_lit(b, "}");
	}
	if (e->role == ROLE_ACTIVE && e->caller.pid)
		put_process(b, e->caller.pid, e->caller.uid, e->caller.comm);
	else if (e->role == ROLE_PASSIVE && owner)
		put_process(b, owner->pid, owner->uid, owner->comm);
	else
		buf_lit(b, ",\"process\":null");
	buf_lit(b, ",");
	identity_append_cgroup(identity, b, e->cgroup_id);
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
		buf_str(b, text + 1); /* without its brace */
	} else {
		buf_lit(b, "}");
	}
	buf_lit(b, "\n");
	free(text);
}
