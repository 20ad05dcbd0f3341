// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The first half of the model: what each record says is kept. The second is rank.c. */
#define _GNU_SOURCE
#include "cli/explain/model.h"
#include "cli/explain/model_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct explain *explain_new(void)
{
	struct explain *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->cause_keys.key_size = sizeof(struct cause_key);
	e->usual_keys.key_size = sizeof(struct place_key);
	e->listener_keys.key_size = sizeof(struct place_key);
	e->connection_keys.key_size = sizeof(uint64_t);
	return e;
}

void explain_free(struct explain *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->causes.count; i++)
		free(((struct explain_cause *)e->causes.items)[i].evidence);
	keyset_free(&e->cause_keys);
	keyset_free(&e->usual_keys);
	keyset_free(&e->listener_keys);
	keyset_free(&e->connection_keys);
	free(e->causes.items);
	free(e->usuals.items);
	free(e->listeners.items);
	free(e->connections.items);
	free(e->harms.items);
	free(e);
}

void *explain_append(struct explain *e, struct array *a, size_t size)
{
	if (a->count == a->room) {
		size_t room = a->room ? 2 * a->room : 16;
		void *grown = reallocarray(a->items, room, size);

		if (!grown) {
			e->failed = true;
			return NULL;
		}
		a->items = grown;
		a->room = room;
	}
	return memset((char *)a->items + a->count++ * size, 0, size);
}

/* The item that belongs to a key, zeroed if `*added`; NULL and `failed` if memory is out. */
static void *item_of(struct explain *e, struct keyset *keys, const void *key, struct array *a,
		     size_t size, bool *added)
{
	size_t number = keyset_put(keys, key, added);

	if (number == KEYSET_NONE) {
		e->failed = true;
		return NULL;
	}
	return *added ? explain_append(e, a, size) : (char *)a->items + number * size;
}

static void set_place(struct place_key *key, uint64_t netns, const struct endpoint *end)
{
	key->netns = netns;
	key->port = end->port;
	snprintf(key->addr, sizeof(key->addr), "%s", end->addr);
}

static struct explain_process process_of(bool known, uint64_t pid, uint64_t uid, const char *comm)
{
	struct explain_process p = { .known = known, .pid = pid, .uid = uid };

	if (known)
		snprintf(p.comm, sizeof(p.comm), "%s", comm);
	return p;
}

/* RFC 3339 in UTC with nanoseconds: as text in the order of time. */
static void stretch(char *first, char *last, const char *ts)
{
	if (!ts)
		return;
	if (!*first || strcmp(ts, first) < 0)
		snprintf(first, TS_SIZE, "%s", ts);
	if (strcmp(ts, last) > 0)
		snprintf(last, TS_SIZE, "%s", ts);
}

/* ---- listeners ---- */

static struct listener_facts *listener_of(struct explain *e, uint64_t netns,
					  const struct endpoint *end)
{
	struct place_key key = { 0 };
	struct listener_facts *facts;
	bool added;

	set_place(&key, netns, end);
	facts = item_of(e, &e->listener_keys, &key, &e->listeners, sizeof(*facts), &added);
	if (facts && added)
		*facts = (struct listener_facts){ .limit = COUNT_UNKNOWN,
						  .oldest_wait_ns = NS_UNKNOWN };
	return facts;
}

static void add_listener(struct explain *e, const struct record *r)
{
	const struct record_listener *l = &r->listener;
	struct listener_facts *facts = listener_of(e, l->netns, &l->local);

	if (!facts)
		return;
	facts->v6only = l->v6only;
	if (l->backlog != COUNT_UNKNOWN)
		facts->limit = l->backlog;
	if (l->owner.known)
		facts->owner = process_of(true, l->owner.pid, l->owner.uid, l->owner.comm);
	if (!l->waiting || l->oldest_wait_ns == NS_UNKNOWN)
		return;
	if (facts->oldest_wait_ns == NS_UNKNOWN || l->oldest_wait_ns > facts->oldest_wait_ns)
		facts->oldest_wait_ns = l->oldest_wait_ns;
}

/* ---- causes ---- */

/* What a record with a cause says of it, whatever it is about. */
static struct explain_cause *cause_of(struct explain *e, const struct cause_key *key,
				      const struct record *r, const char *detail)
{
	struct explain_cause *c;
	bool added, newest;

	c = item_of(e, &e->cause_keys, key, &e->causes, sizeof(*c), &added);
	if (!c)
		return NULL;
	if (added) {
		memcpy(c->code, key->code, sizeof(c->code));
		memcpy(c->addr, key->place.addr, sizeof(c->addr));
		c->row = cause_find(c->code);
		c->by = (enum cause_by)key->by;
		c->netns = key->place.netns;
		c->port = (uint16_t)key->place.port;
		c->has_at = *c->addr;
		c->limit = COUNT_UNKNOWN;
		c->oldest_wait_ns = NS_UNKNOWN;
	}
	newest = !r->ts || strcmp(r->ts, c->last) >= 0;
	stretch(c->first, c->last, r->ts);
	if (detail && *detail && (newest || !c->evidence)) {
		free(c->evidence);
		c->evidence = strdup(detail);
		e->failed = e->failed || !c->evidence;
	}
	return c;
}

static void add_overflow(struct explain *e, const struct record *r)
{
	const struct record_overflow *o = &r->overflow;
	const char *code = o->cause.code ? o->cause.code : "unknown";
	bool proven = record_is_proven(&o->cause);
	struct cause_key key = { .by = CAUSE_BY_LISTENER, .place.netns = o->netns };
	struct listener_facts *facts;
	struct explain_cause *c;

	snprintf(key.code, sizeof(key.code), "%s", code);
	if (o->has_listener) {
		set_place(&key.place, o->netns, &o->listener);
		facts = listener_of(e, o->netns, &o->listener);
		if (facts && o->accept.known)
			facts->limit = o->accept.max;
	}
	c = cause_of(e, &key, r, o->cause.detail);
	if (!c)
		return;
	if (o->owner.known)
		c->process = process_of(true, o->owner.pid, o->owner.uid, o->owner.comm);
	if (record_is_cookie(o))
		c->refused.cookie += o->count;
	else if (record_is_ack(o))
		c->refused.ack += o->count;
	else
		c->refused.syn += o->count;
	*(proven ? &c->refused.proven : &c->refused.probable) += o->count;
}

/* ---- handshakes ---- */

static enum cause_by by_of(const struct cause_row *row, bool passive)
{
	enum cause_by by = row ? row->by : CAUSE_BY_ROLE;

	/* A server knows its clients as many, its listener as one. */
	if (by == CAUSE_BY_ROLE || (by == CAUSE_BY_DESTINATION && passive))
		return passive ? CAUSE_BY_LISTENER : CAUSE_BY_DESTINATION;
	return by;
}

/* The number of its cause; NO_CAUSE if it has none. */
static uint32_t take_cause(struct explain *e, const struct record *r, bool passive, int8_t *weight)
{
	const struct record_handshake *h = &r->handshake;
	const struct cause_row *row;
	struct cause_key key = { .active = !passive };
	struct explain_cause *c;

	*weight = -1;
	if (!h->cause.code)
		return NO_CAUSE;
	row = cause_find(h->cause.code);
	*weight = (int8_t)(row ? row->weight : 0);
	key.by = by_of(row, passive);
	snprintf(key.code, sizeof(key.code), "%s", h->cause.code);
	if (key.by == CAUSE_BY_SOURCE) {
		key.place.netns = h->netns;
		snprintf(key.comm, sizeof(key.comm), "%s", h->has_process ? h->comm : "");
	} else {
		set_place(&key.place, h->netns, passive ? &h->local : &h->remote);
	}
	c = cause_of(e, &key, r, h->cause.detail);
	if (!c)
		return NO_CAUSE;
	/* A client does not own the listener that it did not reach. */
	if (h->has_process && (passive || key.by != CAUSE_BY_LISTENER))
		c->process = process_of(true, h->pid, h->uid, h->comm);
	return (uint32_t)(c - (struct explain_cause *)e->causes.items);
}

static uint32_t usual_of(struct explain *e, const struct record_handshake *h, bool passive)
{
	struct place_key key = { 0 };
	struct usual *usual;
	bool added;

	set_place(&key, h->netns, passive ? &h->local : &h->remote);
	key.port |= passive ? 1U << 16 : 0; /* no port: it keeps the roles apart */
	usual = item_of(e, &e->usual_keys, &key, &e->usuals, sizeof(*usual), &added);
	return usual ? (uint32_t)(usual - (struct usual *)e->usuals.items) : 0;
}

static bool is_failed(const struct record_handshake *h)
{
	return h->outcome != OUTCOME_ESTABLISHED;
}

static bool is_harmed(const struct record_handshake *h)
{
	return is_failed(h) || h->retransmits || h->cause.code;
}

static void set_time_lost(struct harm *harm, const struct record_handshake *h)
{
	harm->lost_ns = h->retransmit_wait_ns;
	if (is_failed(h)) {
		harm->lost_ns = h->latency_ns;
		if (h->latency_ns == NS_UNKNOWN && h->retransmits)
			harm->lost_ns = h->retransmit_wait_ns;
	} else if (!h->retransmits) {
		harm->slow = true;
		harm->lost_ns = h->latency_ns;
	}
}

static bool is_better(const struct harm *a, const struct harm *b)
{
	if (a->weight != b->weight)
		return a->weight > b->weight;
	if (a->proven != b->proven)
		return a->proven;
	return a->passive && !b->passive;
}

/* Whose wait counts: it is the client who waits; a half-open request only takes room. */
static const struct harm *waiting_side(const struct harm *a, const struct harm *b)
{
	if (a->slow != b->slow) /* the whole of a wait says more than how late it was in all */
		return a->slow ? b : a;
	if (a->lost_ns == NS_UNKNOWN || b->lost_ns == NS_UNKNOWN)
		return a->lost_ns == NS_UNKNOWN ? b : a;
	return a->passive ? b : a;
}

/* The same handshake, seen from its other side. */
static void join(struct harm *into, const struct harm *other)
{
	const struct harm *waited = waiting_side(into, other);
	struct harm best = is_better(other, into) ? *other : *into;
	const struct harm *rest = is_better(other, into) ? into : other;

	if (rest->failed && !best.failed)
		best.outcome = rest->outcome;
	best.failed = best.failed || rest->failed;
	best.slow = waited->slow;
	best.lost_ns = waited->lost_ns;
	best.usual = waited->usual;
	*into = best;
}

/* The connection, and whether this is the first of its sides; NULL if the record has no `conn`. */
static struct connection *connection_of(struct explain *e, const struct record_handshake *h,
					bool *first)
{
	uint32_t role = 1U << (h->role < 0 ? ROLES : h->role);
	struct connection *c = NULL;
	uint64_t conn;
	char *end;
	bool added;

	*first = true;
	if (!h->conn || !*h->conn)
		return NULL;
	conn = strtoull(h->conn, &end, 16);
	if (!*end)
		c = item_of(e, &e->connection_keys, &conn, &e->connections, sizeof(*c), &added);
	if (!c)
		return NULL;
	/* A side that came already: another attempt with the same ports (RFC 6191), or with none. */
	if (c->roles & role)
		*c = (struct connection){ 0 };
	*first = !c->roles;
	c->roles |= role;
	return c;
}

static void add_handshake(struct explain *e, const struct record *r)
{
	const struct record_handshake *h = &r->handshake;
	bool passive = h->role == ROLE_PASSIVE, first;
	struct connection *connection = connection_of(e, h, &first);
	struct harm harm = { .usual = usual_of(e, h, passive), .passive = passive }, *kept;
	struct usual *usual = e->usuals.items;

	e->totals.handshakes += first;
	if (!is_harmed(h)) {
		if (usual && h->latency_ns != NS_UNKNOWN) {
			usual += harm.usual;
			usual->latency[usual->count++ % USUAL_SAMPLES] = h->latency_ns;
		}
		return;
	}
	harm.cause = take_cause(e, r, passive, &harm.weight);
	harm.proven = record_is_proven(&h->cause);
	harm.failed = is_failed(h);
	harm.outcome = (uint8_t)(h->outcome < 0 ? OUTCOMES : h->outcome);
	set_time_lost(&harm, h);
	if (connection && connection->harm) {
		join((struct harm *)e->harms.items + connection->harm - 1, &harm);
		return;
	}
	kept = explain_append(e, &e->harms, sizeof(*kept));
	if (!kept)
		return;
	*kept = harm;
	if (connection && e->harms.count < UINT32_MAX)
		connection->harm = (uint32_t)e->harms.count;
}

/* ---- the rest ---- */

static void add_hello(struct explain *e, const struct record *r)
{
	struct explain_totals *t = &e->totals;
	const char *host = r->hello.host ? r->hello.host : "";
	const char *boot_id = r->hello.boot_id ? r->hello.boot_id : "";
	struct evidence evidence;

	evidence_take(&evidence, r);
	evidence_join(&t->evidence, &evidence);
	if (cJSON_GetObjectItemCaseSensitive(r->hello.filters, "slow"))
		t->slow_wanted = true;
	if (t->has_host && (strcmp(t->boot_id, boot_id) != 0 || strcmp(t->host, host) != 0))
		t->mixed = true;
	t->has_host = true;
	snprintf(t->host, sizeof(t->host), "%s", host);
	snprintf(t->boot_id, sizeof(t->boot_id), "%s", boot_id);
}

static void add_loss(struct explain *e, const struct record *r)
{
	e->totals.lost_records += r->loss.count;
	/* No cause rests on them, and they are many. */
	if (strcmp(r->loss.what, "reset") == 0)
		e->totals.lost_resets += r->loss.count;
}

static void add_reset(struct explain *e, const struct record *r)
{
	*(r->reset.sent ? &e->totals.resets_sent : &e->totals.resets_received) += 1;
}

void explain_add(struct explain *e, const struct record *r)
{
	static void (*const adders[RECORD_TYPES])(struct explain *e, const struct record *r) = {
		[RECORD_HELLO] = add_hello,	  [RECORD_HANDSHAKE] = add_handshake,
		[RECORD_LOSS] = add_loss,	  [RECORD_LISTENER] = add_listener,
		[RECORD_OVERFLOW] = add_overflow, [RECORD_RESET] = add_reset,
	};

	stretch(e->totals.from, e->totals.to, r->ts);
	if (adders[r->type])
		adders[r->type](e, r);
}
