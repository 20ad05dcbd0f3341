// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The first half: what is kept of each host's records. The second is across_find.c. */
#define _GNU_SOURCE
#include "cli/explain/across_internal.h"

#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/clock.h"

/* Of an overflow without one: it was counted at a look. */
#define INTERVAL_NS NSEC_PER_SEC

struct across *across_new(void)
{
	struct across *a = calloc(1, sizeof(*a));

	if (a)
		a->addresses.key_size = ACROSS_ADDR;
	return a;
}

void across_free(struct across *a)
{
	if (!a)
		return;
	keyset_free(&a->addresses);
	free(a->owners);
	free(a->attempts);
	free(a->refusals);
	free(a->segments);
	free(a);
}

static void copy_addr(char *to, const char *addr)
{
	snprintf(to, ACROSS_ADDR, "%s", addr ? addr : "");
}

static uint64_t conn_of(const char *text)
{
	return text ? strtoull(text, NULL, 16) : 0;
}

/* ---- whose an address is ---- */

/* Every host has these. */
static bool is_anybodys(const char *addr)
{
	return !*addr || strncmp(addr, "127.", 4) == 0 || strcmp(addr, "::1") == 0 || strcmp(addr, "0.0.0.0") == 0 ||
	       strcmp(addr, "::") == 0 || strncmp(addr, "fe80:", 5) == 0;
}

static bool own(struct across *a, const struct endpoint *end, uint32_t host)
{
	char key[ACROSS_ADDR] = "";
	bool added;
	size_t number;

	if (!end->addr || is_anybodys(end->addr))
		return true;
	snprintf(key, sizeof(key), "%s", end->addr);
	number = keyset_put(&a->addresses, key, &added);
	if (number == KEYSET_NONE)
		return false;
	if (!ARRAY_ROOM(a->owners, number, a->owner_room)) {
		keyset_remove(&a->addresses, number);
		return false;
	}
	if (added)
		a->owners[number] = host;
	else if (a->owners[number] != host)
		a->owners[number] = NO_HOST;
	return true;
}

/* ---- records ---- */

static bool add_handshake(struct across *a, const struct record *r)
{
	return own(a, &r->handshake.local, r->host_number);
}

static bool add_overflow(struct across *a, const struct record *r)
{
	const struct record_overflow *o = &r->overflow;
	struct refusal *f;

	if (record_is_cookie(o) || record_is_ack(o) || !o->has_listener || !o->cause.code || !r->wall_ns)
		return true;
	f = ARRAY_ADD(a->refusals, a->refusal_count, a->refusal_room);
	if (!f)
		return false;
	*f = (struct refusal){ .host = r->host_number, .port = o->listener.port, .netns = o->netns, .count = o->count,
			       .end_ns = r->wall_ns, .len = COUNT_UNKNOWN, .max = COUNT_UNKNOWN };
	f->begin_ns = r->wall_ns - (o->has_remote ? 0 : o->interval_ns != NS_UNKNOWN ? o->interval_ns : INTERVAL_NS);
	copy_addr(f->listener, o->listener.addr);
	snprintf(f->code, sizeof(f->code), "%s", o->cause.code);
	if (o->has_remote) {
		copy_addr(f->remote, o->remote.addr);
		f->remote_port = o->remote.port;
	}
	if (o->accept.known) {
		f->len = o->accept.len;
		f->max = o->accept.max;
	}
	return true;
}

/* A queue that holds one more than its limit takes no SYN. */
static bool add_listener(struct across *a, const struct record *r)
{
	const struct record_listener *l = &r->listener;
	struct refusal *f;

	if (!own(a, &l->local, r->host_number))
		return false;
	if (!l->accept.known || l->accept.len <= l->accept.max || !r->wall_ns)
		return true;
	f = ARRAY_ADD(a->refusals, a->refusal_count, a->refusal_room);
	if (!f)
		return false;
	*f = (struct refusal){ .host = r->host_number, .port = l->local.port, .netns = l->netns, .state = true,
			       .begin_ns = r->wall_ns - INTERVAL_NS, .end_ns = r->wall_ns + INTERVAL_NS,
			       .len = l->accept.len, .max = l->accept.max, .code = "accept_queue_full" };
	copy_addr(f->listener, l->local.addr);
	return true;
}

static struct segment *add_segment(struct across *a, const struct record *r, uint64_t conn, const struct endpoint *end)
{
	struct segment *s = conn ? ARRAY_ADD(a->segments, a->segment_count, a->segment_room) : NULL;

	if (!s)
		return NULL;
	s->conn = conn;
	s->host = r->host_number;
	s->netns = r->netns;
	copy_addr(s->addr, end->addr);
	s->port = end->port;
	return s;
}

static bool add_reset(struct across *a, const struct record *r)
{
	const struct record_reset *reset = &r->reset;
	struct segment *s;

	if (!reset->sent || strcmp(reset->cause, reset_cause_names[RESET_PORT_CLOSED]) != 0 || !conn_of(reset->conn))
		return true;
	s = add_segment(a, r, conn_of(reset->conn), &reset->local);
	if (s)
		s->fate = SEGMENT_RESET;
	return s && own(a, &reset->local, r->host_number);
}

static const char *word_of(const struct record *r, const char *key)
{
	const char *word = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(r->json, key));

	return word ? word : "";
}

/* A daemon may report these; one that does not has no such type. */
static bool add_drop(struct across *a, const struct record *r)
{
	const cJSON *local = cJSON_GetObjectItemCaseSensitive(r->json, "local");
	const cJSON *addr = cJSON_GetObjectItemCaseSensitive(local, "addr");
	uint64_t conn = conn_of(word_of(r, "conn"));
	struct endpoint end = { .addr = cJSON_GetStringValue(addr), .port = (uint16_t)record_count_of(local, "port") };
	struct segment *s;

	if (!conn)
		return true;
	s = add_segment(a, r, conn, &end);
	if (!s)
		return false;
	s->fate = SEGMENT_DROPPED;
	snprintf(s->what, sizeof(s->what), "%s", word_of(r, "segment"));
	snprintf(s->reason, sizeof(s->reason), "%s", word_of(r, "reason"));
	return true;
}

static void cover(struct across *a, const struct record *r)
{
	uint32_t host = r->host_number;

	if (host >= CLOCK_HOSTS || !r->wall_ns)
		return;
	if (!a->from_ns[host] || r->wall_ns < a->from_ns[host])
		a->from_ns[host] = r->wall_ns;
	if (r->wall_ns > a->to_ns[host])
		a->to_ns[host] = r->wall_ns;
}

bool across_add(struct across *a, const struct record *r)
{
	static bool (*const adders[RECORD_TYPES])(struct across *a, const struct record *r) = {
		[RECORD_HANDSHAKE] = add_handshake, [RECORD_OVERFLOW] = add_overflow,
		[RECORD_LISTENER] = add_listener,   [RECORD_RESET] = add_reset,
	};

	cover(a, r);
	if (adders[r->type])
		return adders[r->type](a, r);
	return strcmp(r->type_name, "drop") != 0 || add_drop(a, r);
}

bool across_attempt(struct across *a, const struct record *r, uint32_t *number)
{
	const struct record_handshake *h = &r->handshake;
	uint64_t took = h->latency_ns != NS_UNKNOWN ? h->latency_ns : 0;
	struct attempt *t;

	*number = UINT32_MAX;
	if (h->role != ROLE_ACTIVE || !r->wall_ns || a->attempt_count == UINT32_MAX)
		return true;
	t = ARRAY_ADD(a->attempts, a->attempt_count, a->attempt_room);
	if (!t)
		return false;
	*t = (struct attempt){ .host = r->host_number, .local_port = h->local.port, .remote_port = h->remote.port,
			       .conn = conn_of(h->conn), .begin_ns = r->wall_ns - took, .end_ns = r->wall_ns,
			       .syns = h->retransmits + 1, .failed = h->outcome != OUTCOME_ESTABLISHED,
			       .by_reset = h->outcome == OUTCOME_REFUSED || h->outcome == OUTCOME_RESET };
	copy_addr(t->local, h->local.addr);
	copy_addr(t->remote, h->remote.addr);
	*number = (uint32_t)(a->attempt_count - 1);
	return true;
}

void across_joined(struct across *a, uint32_t number)
{
	if (number < a->attempt_count)
		a->attempts[number].joined = true;
}

/* ---- ready ---- */

/* By the clock of the first host. */
static uint64_t corrected(const struct across *a, uint64_t ns, uint32_t host)
{
	return ns - (host < a->host_count ? (uint64_t)a->hosts[host].clock.ahead_ns : 0);
}

static int compare_refusals(const void *x, const void *y)
{
	const struct refusal *a = x, *b = y;

	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	return (a->end_ns > b->end_ns) - (a->end_ns < b->end_ns);
}

static int compare_segments(const void *x, const void *y)
{
	const struct segment *a = x, *b = y;

	return (a->conn > b->conn) - (a->conn < b->conn);
}

void across_ready(struct across *a, const struct host_report *hosts, uint32_t count)
{
	a->hosts = hosts;
	a->host_count = count < CLOCK_HOSTS ? count : CLOCK_HOSTS;
	for (size_t i = 0; i < a->attempt_count; i++) {
		struct attempt *t = &a->attempts[i];

		t->begin_ns = corrected(a, t->begin_ns, t->host);
		t->end_ns = corrected(a, t->end_ns, t->host);
	}
	for (size_t i = 0; i < a->refusal_count; i++) {
		struct refusal *f = &a->refusals[i];

		f->begin_ns = corrected(a, f->begin_ns, f->host);
		f->end_ns = corrected(a, f->end_ns, f->host);
		if (f->end_ns - f->begin_ns > a->longest_ns)
			a->longest_ns = f->end_ns - f->begin_ns;
	}
	for (uint32_t i = 0; i < a->host_count; i++) {
		a->from_ns[i] = a->from_ns[i] ? corrected(a, a->from_ns[i], i) : 0;
		a->to_ns[i] = a->to_ns[i] ? corrected(a, a->to_ns[i], i) : 0;
	}
	if (a->refusal_count)
		qsort(a->refusals, a->refusal_count, sizeof(*a->refusals), compare_refusals);
	if (a->segment_count)
		qsort(a->segments, a->segment_count, sizeof(*a->segments), compare_segments);
}
