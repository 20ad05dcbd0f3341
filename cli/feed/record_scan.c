// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/record_scan.h"
#include "cli/feed/json_scan.h"

#include <linux/types.h>
#include <stdlib.h>
#include <string.h>

#include "common/addr.h"

#define WHOLE UINT32_MAX
/* Of PART_HEAD: what a line has in any case, and is waited for. */
#define PART_SEQ (1U << 29)
#define PART_TS (1U << 30)
#define PART_MONO (1U << 31)

#define SEQ "\"seq\":"
#define TS ",\"ts\":"
#define MONO ",\"mono_ns\":"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct scan {
	struct json_scan json;
	uint32_t parts; /* WHOLE, or what is wanted */
	uint32_t seen; /* fields of the last object, 1 << their number */
	char *text; /* strings that are kept, each with a NUL; NULL: none yet */
	size_t used, room;
};

struct table;

/* A key, in the order in which the daemon writes them. */
struct field {
	const char *key;
	size_t len;
	uint32_t part; /* of fields of a record */
	bool (*take)(struct scan *s, const struct field *f, void *at);
	size_t offset; /* of `at`, in what the table describes */
	const struct table *inner;
	unsigned flag;
};

struct table {
	const struct field *fields;
	size_t count; /* up to 32 */
};

#define KEY(name) .key = (name), .len = sizeof(name) - 1
#define TABLE(fields) (struct table){ fields, COUNT(fields) }

/* ---- values ---- */

/* The quotes of all strings are room enough for as many NULs. */
static const char *keep(struct scan *s, const char *from, size_t len)
{
	char *kept;

	if (!s->text && !(s->text = malloc(s->room)))
		return NULL;
	kept = s->text + s->used;
	memcpy(kept, from, len);
	kept[len] = '\0';
	s->used += len + 1;
	return kept;
}

static bool take_nothing(struct scan *s, const struct field *f, void *at)
{
	(void)f;
	(void)at;
	return json_skip(&s->json);
}

static bool take_null(struct scan *s)
{
	return json_next(&s->json) == 'n' && json_take(&s->json, "null", 4);
}

/* `from` is NULL for null. */
static bool take_string(struct scan *s, const char **from, size_t *len)
{
	*from = NULL;
	return take_null(s) || json_take_string(&s->json, from, len);
}

static bool take_text(struct scan *s, const struct field *f, void *at)
{
	const char **text = at, *from;
	size_t len;

	(void)f;
	if (!take_string(s, &from, &len))
		return false;
	if (!from)
		return true;
	*text = keep(s, from, len);
	return *text;
}

/* What another parser keeps as a double is exact up to there. */
static bool take_number(struct scan *s, const struct field *f, void *at)
{
	uint64_t *number = at;

	(void)f;
	return take_null(s) || (json_take_u64(&s->json, number) && *number <= RECORD_EXACT_MAX);
}

static bool take_mono(struct scan *s, const struct field *f, void *at)
{
	(void)f;
	return take_null(s) || json_take_u64(&s->json, at);
}

static bool take_port(struct scan *s, const struct field *f, void *at)
{
	uint64_t port;

	(void)f;
	if (!json_take_u64(&s->json, &port) || port > UINT16_MAX)
		return false;
	*(uint16_t *)at = (uint16_t)port;
	return true;
}

static bool take_bool(struct scan *s, const struct field *f, void *at)
{
	bool *value = at;

	(void)f;
	*value = json_take(&s->json, "true", 4);
	return *value || json_take(&s->json, "false", 5) || take_null(s);
}

static bool take_flag(struct scan *s, const struct field *f, void *at)
{
	unsigned *flags = at;
	bool set;

	if (!take_bool(s, f, &set))
		return false;
	*flags |= set ? f->flag : 0;
	return true;
}

/* A word that this program knows; one of a newer daemon is for others to keep. */
static bool take_word(struct scan *s, const char *const *names, int count, int *index, const char **name)
{
	const char *from;
	size_t len;

	if (!json_take_string(&s->json, &from, &len))
		return false;
	*index = name_index(names, count, from, len);
	if (*index < 0)
		return false;
	*name = names[*index];
	return true;
}

static bool take_role(struct scan *s, const struct field *f, void *at)
{
	struct record_handshake *h = at;

	(void)f;
	return take_word(s, role_names, ROLES, &h->role, &h->role_name);
}

static bool take_outcome(struct scan *s, const struct field *f, void *at)
{
	struct record_handshake *h = at;

	(void)f;
	return take_word(s, outcome_names, OUTCOMES, &h->outcome, &h->outcome_name);
}

static bool take_ts(struct scan *s, const struct field *f, void *at)
{
	struct record *r = at;
	const char *from;
	size_t len;

	(void)f;
	if (!take_string(s, &from, &len))
		return false;
	if (!from)
		return true;
	r->wall_ns = record_time_at(from, len);
	if (s->parts != WHOLE)
		return true;
	r->ts = keep(s, from, len);
	return r->ts;
}

/* ---- objects ---- */

/* Is it the key that the daemon writes next? */
static bool take_key(struct json_scan *s, const struct field *f)
{
	if ((size_t)(s->end - s->at) < f->len + 2 || *s->at != '"' || s->at[f->len + 1] != '"' ||
	    memcmp(s->at + 1, f->key, f->len) != 0)
		return false;
	s->at += f->len + 2;
	return true;
}

static const struct field *find_field(struct scan *s, const struct table *t, size_t *next)
{
	static const struct field other = { .take = take_nothing };
	const char *key;
	size_t len;

	if (*next < t->count && take_key(&s->json, &t->fields[*next]))
		return &t->fields[(*next)++];
	if (!json_take_string(&s->json, &key, &len))
		return NULL;
	for (size_t i = 0; i < t->count; i++) {
		size_t n = *next + i < t->count ? *next + i : *next + i - t->count;

		if (t->fields[n].len == len && memcmp(t->fields[n].key, key, len) == 0) {
			*next = n + 1;
			return &t->fields[n];
		}
	}
	return &other;
}

/* Up to its brace, or to where all that is wanted has come. Which of two values of one key counts is for others to say. */
static bool take_members(struct scan *s, const struct table *t, void *base, uint32_t parts)
{
	uint32_t seen = 0, left = parts & ~(uint32_t)PART_HEAD;
	size_t next = 0;

	s->seen = 0;
	if (json_take_char(&s->json, '}'))
		return true;
	do {
		const struct field *f = find_field(s, t, &next);
		uint32_t bit = f && f->len ? 1U << (f - t->fields) : 0;

		if (!f || (seen & bit) || !json_take_char(&s->json, ':'))
			return false;
		seen |= bit;
		if (parts != WHOLE && !(f->part & parts) ? !json_skip(&s->json) :
							  !f->take(s, f, (char *)base + f->offset))
			return false;
		left &= ~f->part;
		if (parts != WHOLE && !left)
			return true;
	} while (json_take_char(&s->json, ','));
	s->seen = seen;
	return json_take_char(&s->json, '}');
}

static bool take_object(struct scan *s, const struct field *f, void *at)
{
	return take_null(s) || (json_take_char(&s->json, '{') && take_members(s, f->inner, at, WHOLE));
}

static bool take_endpoint(struct scan *s, const struct field *f, void *at)
{
	static const struct field fields[] = {
		{ KEY("addr"), .take = take_text, .offset = offsetof(struct endpoint, addr) },
		{ KEY("port"), .take = take_port, .offset = offsetof(struct endpoint, port) },
	};
	struct endpoint *e = at;

	(void)f;
	if (!json_take_char(&s->json, '{') || !take_members(s, &TABLE(fields), e, WHOLE) || s->seen != 3 || !e->addr)
		return false;
	e->ipv6 = strchr(e->addr, ':');
	e->numeric = addr_parse(e->addr, e->bytes);
	return true;
}

static bool take_nat(struct scan *s, const struct field *f, void *at)
{
	struct record_handshake *h = at;

	if (take_null(s))
		return true;
	h->has_nat = take_endpoint(s, f, &h->nat);
	return h->has_nat;
}

static bool take_owner(struct scan *s, const struct field *f, void *at)
{
	static const struct field fields[] = {
		{ KEY("pid"), .take = take_number, .offset = offsetof(struct owner, pid) },
		{ KEY("comm"), .take = take_text, .offset = offsetof(struct owner, comm) },
		{ KEY("uid"), .take = take_number, .offset = offsetof(struct owner, uid) },
	};
	const struct field object = { .inner = &TABLE(fields) };
	struct owner *owner = at;

	(void)f;
	*owner = (struct owner){ .pid = COUNT_UNKNOWN, .uid = COUNT_UNKNOWN };
	if (!take_object(s, &object, owner))
		return false;
	owner->known = owner->pid != COUNT_UNKNOWN && owner->comm;
	owner->pid = owner->pid != COUNT_UNKNOWN ? owner->pid : 0;
	return true;
}

static bool take_process(struct scan *s, const struct field *f, void *at)
{
	struct record_handshake *h = at;
	struct owner owner;

	if (!take_owner(s, f, &owner))
		return false;
	h->has_process = owner.known;
	h->pid = owner.pid;
	h->uid = owner.uid;
	h->comm = owner.comm;
	return true;
}

static bool take_queue(struct scan *s, const struct field *f, void *at)
{
	static const struct field fields[] = {
		{ KEY("len"), .take = take_number, .offset = offsetof(struct queue, len) },
		{ KEY("max"), .take = take_number, .offset = offsetof(struct queue, max) },
	};
	const struct field object = { .inner = &TABLE(fields) };
	struct queue queue = { .len = COUNT_UNKNOWN, .max = COUNT_UNKNOWN };
	struct record_handshake *h = at;

	(void)f;
	if (!take_object(s, &object, &queue))
		return false;
	h->has_queue = queue.len != COUNT_UNKNOWN && queue.max != COUNT_UNKNOWN;
	h->queue_len = queue.len != COUNT_UNKNOWN ? queue.len : 0;
	h->queue_max = h->has_queue ? queue.max : 0;
	return true;
}

static const struct field cause_fields[] = {
	{ KEY("code"), .take = take_text, .offset = offsetof(struct cause, code) },
	{ KEY("certainty"), .take = take_text, .offset = offsetof(struct cause, certainty) },
	{ KEY("detail"), .take = take_text, .offset = offsetof(struct cause, detail) },
};
static const struct field cgroup_fields[] = {
	{ KEY("id"), .take = take_nothing },
	{ KEY("path"), .take = take_text },
};
static const struct field container_fields[] = {
	{ KEY("runtime"), .take = take_nothing },
	{ KEY("id"), .take = take_text, .offset = offsetof(struct record_container, id) },
	{ KEY("pod_uid"), .take = take_nothing },
	{ KEY("name"), .take = take_text, .offset = offsetof(struct record_container, name) },
	{ KEY("pod"), .take = take_text, .offset = offsetof(struct record_container, pod) },
	{ KEY("namespace"), .take = take_text, .offset = offsetof(struct record_container, namespace) },
};
static const struct table causes = TABLE(cause_fields), cgroups = TABLE(cgroup_fields), containers = TABLE(container_fields);

/* ---- records ---- */

#define AT(member) .offset = offsetof(struct record, member)
#define HANDSHAKE_FLAG(name, bit) \
	{ KEY(name), PART_REST, take_flag, AT(handshake.flags), .flag = (bit) }

/* PART_HEAD is taken where it comes first, as the daemon writes it. */
#define HEAD_FIELDS                                                                        \
	{ KEY("host"), PART_HEAD, take_text, AT(host) },                                   \
	{ KEY("feed"), PART_HEAD, take_text, AT(feed) }, { KEY("seq"), PART_SEQ, take_number, AT(seq) }, \
	{ KEY("ts"), PART_TS, take_ts }, { KEY("mono_ns"), PART_MONO, take_mono, AT(mono_ns) }

static const struct field head_fields[] = { HEAD_FIELDS };

static const struct field handshake_fields[] = {
	HEAD_FIELDS,
	{ KEY("conn"), PART_REST, take_text, AT(handshake.conn) },
	{ KEY("client_isn"), PART_REST, take_text, AT(handshake.client_isn) },
	{ KEY("role"), PART_ROLE, take_role, AT(handshake) },
	{ KEY("outcome"), PART_OUTCOME, take_outcome, AT(handshake) },
	{ KEY("errno"), PART_REST, take_nothing },
	{ KEY("errno_name"), PART_REST, take_text, AT(handshake.errno_name) },
	{ KEY("family"), PART_REST, take_nothing },
	{ KEY("netns"), PART_NETNS, take_number, AT(netns) },
	{ KEY("local"), PART_LOCAL, take_endpoint, AT(handshake.local) },
	{ KEY("remote"), PART_REMOTE, take_endpoint, AT(handshake.remote) },
	{ KEY("nat"), PART_REST, take_nat, AT(handshake) },
	{ KEY("latency_ns"), PART_LATENCY, take_number, AT(handshake.latency_ns) },
	{ KEY("rtt_ns"), PART_REST, take_nothing },
	{ KEY("retransmits"), PART_REST, take_number, AT(handshake.retransmits) },
	{ KEY("retransmit_wait_ns"), PART_REST, take_number, AT(handshake.retransmit_wait_ns) },
	HANDSHAKE_FLAG("fastopen", HANDSHAKE_FASTOPEN),
	HANDSHAKE_FLAG("syncookie", HANDSHAKE_SYNCOOKIE),
	HANDSHAKE_FLAG("simultaneous", HANDSHAKE_SIMULTANEOUS),
	HANDSHAKE_FLAG("partial", HANDSHAKE_PARTIAL),
	{ KEY("deferred"), PART_REST, take_bool, AT(handshake.deferred) },
	{ KEY("inferred"), PART_REST, take_bool, AT(handshake.inferred) },
	{ KEY("cause"), PART_CAUSE, take_object, AT(handshake.cause), &causes },
	{ KEY("accept_queue"), PART_REST, take_queue, AT(handshake) },
	{ KEY("process"), PART_REST, take_process, AT(handshake) },
	{ KEY("cgroup"), PART_CGROUP, take_object, AT(cgroup_path), &cgroups },
	{ KEY("container"), PART_REST, take_object, AT(handshake.container), &containers },
};
_Static_assert(COUNT(handshake_fields) <= 32, "a bit for each");

static void begin_handshake(struct record *r)
{
	r->handshake.role = r->handshake.outcome = -1;
	r->handshake.latency_ns = r->handshake.retransmit_wait_ns = NS_UNKNOWN;
	r->handshake.uid = COUNT_UNKNOWN;
}

static bool end_handshake(struct record *r)
{
	const struct record_handshake *h = &r->handshake;

	r->handshake.netns = r->netns;
	r->handshake.cgroup_path = r->cgroup_path;
	return h->role_name && h->outcome_name && h->local.addr && h->remote.addr;
}

static const struct field accept_fields[] = {
	HEAD_FIELDS,
	{ KEY("conn"), PART_REST, take_nothing },
	{ KEY("family"), PART_REST, take_nothing },
	{ KEY("netns"), PART_NETNS, take_number, AT(netns) },
	{ KEY("local"), PART_LOCAL, take_endpoint, AT(accept.local) },
	{ KEY("remote"), PART_REMOTE, take_endpoint, AT(accept.remote) },
	{ KEY("wait_ns"), PART_REST, take_number, AT(accept.wait_ns) },
	{ KEY("evidence"), PART_REST, take_text, AT(accept.evidence) },
	{ KEY("process"), PART_REST, take_owner, AT(accept.owner) },
	{ KEY("cgroup"), PART_CGROUP, take_object, AT(cgroup_path), &cgroups },
};

static void begin_accept(struct record *r)
{
	r->accept.wait_ns = NS_UNKNOWN;
	r->accept.owner.uid = COUNT_UNKNOWN;
}

static bool end_accept(struct record *r)
{
	return r->accept.local.addr && r->accept.remote.addr;
}

/* Those without `begin` are read by record_parse(), unless their head is enough. */
static const struct record_scanner {
	struct table table;
	void (*begin)(struct record *r);
	bool (*end)(struct record *r);
} scanners[RECORD_TYPES] = {
	[RECORD_HANDSHAKE] = { TABLE(handshake_fields), begin_handshake, end_handshake },
	[RECORD_ACCEPT] = { TABLE(accept_fields), begin_accept, end_accept },
};

static bool take_type(struct json_scan *s, enum record_type *type)
{
	static const char start[] = "{\"v\":1,\"type\":";
	const char *name;
	size_t len;

	_Static_assert(RECORD_VERSION == 1, "what a line begins with");
	if (!json_take(s, start, sizeof(start) - 1) || !json_take_string(s, &name, &len) || !json_take_char(s, ','))
		return false;
	*type = record_type_of(name, len);
	return (1U << *type) & STREAM_RECORDS;
}

static bool scan_record(struct scan *s, const struct record_scanner *type, struct record *r)
{
	static const struct table heads = TABLE(head_fields);

	if (s->parts == WHOLE && !type->begin)
		return false;
	if (type->begin)
		type->begin(r);
	if (!take_members(s, type->begin ? &type->table : &heads, r, s->parts))
		return false;
	return s->parts != WHOLE || (type->end(r) && s->json.at == s->json.end);
}

/* Of a record that is only passed on: its first words, if they are as a daemon without --with-host has them. */
static bool scan_head(struct json_scan s, struct record *r)
{
	const char *ts;
	size_t len;

	if (!json_take(&s, SEQ, sizeof(SEQ) - 1) || !json_take_u64(&s, &r->seq) || r->seq > RECORD_EXACT_MAX ||
	    !json_take(&s, TS, sizeof(TS) - 1) ||
	    !json_take_string(&s, &ts, &len) || !json_take(&s, MONO, sizeof(MONO) - 1) || !json_take_u64(&s, &r->mono_ns))
		return false;
	r->wall_ns = record_time_at(ts, len);
	return true;
}

bool record_scan(const char *line, size_t len, const uint32_t parts[RECORD_TYPES], struct record *r)
{
	struct scan s = { .json = { line, line + len }, .room = len };
	enum record_type type;

	if (!len || line[len - 1] != '}' || !take_type(&s.json, &type))
		return false;
	*r = (struct record){ .type = type, .type_name = record_type_names[type] };
	s.parts = parts && parts[type] != PART_ALL ? parts[type] | PART_SEQ | PART_TS | PART_MONO : WHOLE;
	if (parts && parts[type] == PART_HEAD && scan_head(s.json, r))
		return true;
	if (!scan_record(&s, &scanners[type], r)) {
		free(s.text);
		return false;
	}
	r->text = s.text;
	return true;
}
