// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The first half of the model: what each record says is kept. The second is rank.c. */
#define _GNU_SOURCE
#include "cli/explain/model.h"
#include "cli/explain/model_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"

struct explain *explain_new(void)
{
	struct explain *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->cause_keys.key_size = sizeof(struct cause_key);
	e->usual_keys.key_size = sizeof(struct place_key);
	e->listener_keys.key_size = sizeof(struct place_key);
	e->connection_keys.key_size = sizeof(uint64_t);
	e->lead_keys.key_size = sizeof(struct lead_key);
	e->isn_keys.key_size = sizeof(uint32_t);
	e->older_keys.key_size = sizeof(uint64_t);
	e->folded_keys.key_size = sizeof(struct harm);
	e->across = across_new();
	if (e->across)
		return e;
	free(e);
	return NULL;
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
	keyset_free(&e->lead_keys);
	free(e->causes.items);
	free(e->usuals.items);
	for (size_t i = 0; i < e->listeners.count; i++)
		free(((struct listener_facts *)e->listeners.items)[i].group);
	free(e->listeners.items);
	free(e->connections.items);
	free(e->harms.items);
	containers_free(&e->containers);
	keyset_free(&e->older_keys);
	keyset_free(&e->folded_keys);
	free(e->older.items);
	free(e->folded.items);
	free(e->hosts.items);
	keyset_free(&e->isn_keys);
	free(e->isns.items);
	across_free(e->across);
	free(e);
}

void *explain_append(struct explain *e, struct array *a, size_t size)
{
	void *item = array_add(&a->items, &a->count, &a->room, size);

	e->failed = e->failed || !item;
	return item;
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

/* Is it a new one, and are there as many as are kept apart? */
static bool is_too_many(const struct keyset *keys, const void *key)
{
	return keys->count >= PLACES && keyset_find(keys, key) == KEYSET_NONE;
}

void explain_set_place(struct place_key *key, const struct record *r, const struct endpoint *end)
{
	key->netns = r->netns;
	key->host = r->host_number;
	key->port = end->port;
	snprintf(key->addr, sizeof(key->addr), "%s", end->addr);
}

/* `container`: or NULL. */
static struct explain_process process_of(struct explain *e, const struct owner *owner, const struct record_container *container)
{
	struct explain_process p = { .known = owner->known, .pid = owner->pid, .uid = owner->uid };

	if (!owner->known)
		return p;
	snprintf(p.comm, sizeof(p.comm), "%s", owner->comm);
	if (container)
		p.container_number = containers_put(&e->containers, container);
	e->failed = e->failed || e->containers.failed;
	e->totals.containers_omitted = e->containers.more;
	return p;
}

void explain_lend_container(struct explain_process *to, const struct explain_process *from)
{
	if (!to->container_number && to->known && from->known && to->pid == from->pid && strcmp(to->comm, from->comm) == 0)
		to->container_number = from->container_number;
}

void explain_take_process(struct explain_process *into, struct explain_process newer)
{
	explain_lend_container(&newer, into);
	*into = newer;
}

/* RFC 3339 in UTC with nanoseconds: as text in the order of time. */
void explain_stretch(char *first, char *last, const char *ts)
{
	if (!ts)
		return;
	if (!*first || strcmp(ts, first) < 0)
		snprintf(first, TS_SIZE, "%s", ts);
	if (strcmp(ts, last) > 0)
		snprintf(last, TS_SIZE, "%s", ts);
}

/* ---- listeners ---- */

static struct listener_facts *listener_of(struct explain *e, const struct record *r,
					  const struct endpoint *end)
{
	struct place_key key = { 0 };
	struct listener_facts *facts;
	bool added;

	explain_set_place(&key, r, end);
	if (is_too_many(&e->listener_keys, &key))
		return NULL;
	facts = item_of(e, &e->listener_keys, &key, &e->listeners, sizeof(*facts), &added);
	if (facts && added)
		*facts = (struct listener_facts){ .limit = COUNT_UNKNOWN, .backlog.got = COUNT_UNKNOWN,
						  .oldest_wait_ns = NS_UNKNOWN };
	return facts;
}

static void add_listener(struct explain *e, const struct record *r)
{
	const struct record_listener *l = &r->listener;
	struct listener_facts *facts = listener_of(e, r, &l->local);

	if (!facts)
		return;
	facts->v6only = l->v6only;
	if (!facts->group)
		facts->group = calloc(1, sizeof(*facts->group));
	if (facts->group)
		group_take(facts->group, l);
	else
		e->failed = true;
	if (l->backlog.got != COUNT_UNKNOWN)
		facts->limit = l->backlog.got;
	if (l->event != CHANGE_CLOSED) /* the last of them that has the limit stays */
		facts->backlog = l->backlog;
	if (l->owner.known)
		explain_take_process(&facts->owner, process_of(e, &l->owner, &l->container));
	if (!l->waiting || l->oldest_wait_ns == NS_UNKNOWN)
		return;
	if (facts->oldest_wait_ns == NS_UNKNOWN || l->oldest_wait_ns > facts->oldest_wait_ns)
		facts->oldest_wait_ns = l->oldest_wait_ns;
}

/* ---- causes ---- */

/* The key of the cause that it is counted among. */
static struct cause_key kept_apart(struct explain *e, const struct cause_key *key)
{
	struct cause_key others = { .by = key->by, .others = 1 };

	if (!is_too_many(&e->cause_keys, key))
		return *key;
	e->totals.others++;
	memcpy(others.code, key->code, sizeof(others.code));
	if (e->causes.count >= PLACES + OTHERS && keyset_find(&e->cause_keys, &others) == KEYSET_NONE)
		others = (struct cause_key){ .by = key->by, .others = 1, .code = "unknown" };
	return others;
}

static void set_process(struct explain_cause *c, struct explain_process process)
{
	if (!c->others)
		explain_take_process(&c->process, process);
}

struct explain_cause *explain_cause_of(struct explain *e, const struct cause_key *wanted)
{
	const struct cause_key kept = kept_apart(e, wanted), *key = &kept;
	struct explain_cause *c;
	bool added;

	c = item_of(e, &e->cause_keys, key, &e->causes, sizeof(*c), &added);
	if (!c)
		return NULL;
	if (added) {
		memcpy(c->code, key->code, sizeof(c->code));
		memcpy(c->addr, key->place.addr, sizeof(c->addr));
		c->row = cause_find(c->code);
		c->by = (enum cause_by)key->by;
		c->netns = key->place.netns;
		c->host_number = key->place.host;
		c->port = (uint16_t)key->place.port;
		c->has_at = *c->addr;
		c->others = key->others;
		c->limit = c->backlog.got = COUNT_UNKNOWN;
		c->oldest_wait_ns = NS_UNKNOWN;
	}
	return c;
}

void explain_set_evidence(struct explain *e, struct explain_cause *c, const char *detail)
{
	free(c->evidence);
	c->evidence = strdup(detail);
	e->failed = e->failed || !c->evidence;
}

/* What a record with a cause says of it, whatever it is about. */
static struct explain_cause *cause_of(struct explain *e, const struct cause_key *key,
				      const struct record *r, const char *detail)
{
	struct explain_cause *c = explain_cause_of(e, key);
	bool newest;

	if (!c)
		return NULL;
	newest = !r->ts || strcmp(r->ts, c->last) >= 0;
	explain_stretch(c->first, c->last, r->ts);
	if (detail && *detail && (newest || !c->evidence))
		explain_set_evidence(e, c, detail);
	return c;
}

static void add_overflow(struct explain *e, const struct record *r)
{
	const struct record_overflow *o = &r->overflow;
	const char *code = o->cause.code ? o->cause.code : "unknown";
	bool proven = record_is_proven(&o->cause);
	struct cause_key key = { .by = CAUSE_BY_LISTENER, .place.netns = o->netns,
				 .place.host = r->host_number };
	struct listener_facts *facts;
	struct explain_cause *c;

	snprintf(key.code, sizeof(key.code), "%s", code);
	if (o->has_listener) {
		explain_set_place(&key.place, r, &o->listener);
		facts = listener_of(e, r, &o->listener);
		if (facts && o->accept.known)
			facts->limit = o->accept.max;
	}
	c = cause_of(e, &key, r, o->cause.detail);
	if (!c)
		return;
	if (o->owner.known)
		set_process(c, process_of(e, &o->owner, NULL));
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
		key.place.host = r->host_number;
		snprintf(key.comm, sizeof(key.comm), "%s", h->has_process ? h->comm : "");
	} else {
		explain_set_place(&key.place, r, explain_server_end(h, key.by));
	}
	c = cause_of(e, &key, r, h->cause.detail);
	if (!c)
		return NO_CAUSE;
	/* A client does not own the listener that it did not reach. */
	if (h->has_process && (passive || key.by != CAUSE_BY_LISTENER))
		set_process(c, process_of(e, &(struct owner){ true, h->pid, h->uid, h->comm }, &h->container));
	return (uint32_t)(c - (struct explain_cause *)e->causes.items);
}

static uint32_t usual_of(struct explain *e, const struct record *r, bool passive)
{
	const struct record_handshake *h = &r->handshake;
	struct place_key key = { 0 };
	struct usual *usual;
	bool added;

	explain_set_place(&key, r, passive ? &h->local : &h->remote);
	key.port |= passive ? 1U << 16 : 0; /* no port: it keeps the roles apart */
	if (is_too_many(&e->usual_keys, &key))
		return NO_USUAL;
	usual = item_of(e, &e->usual_keys, &key, &e->usuals, sizeof(*usual), &added);
	return usual ? (uint32_t)(usual - (struct usual *)e->usuals.items) : NO_USUAL;
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
	best.attempt = best.attempt == UINT32_MAX ? rest->attempt : best.attempt;
	best.lead = best.lead ? best.lead : rest->lead;
	*into = best;
}

/* The connection, and whether this is the first of its sides; NULL if the record has no `conn`. */
static struct connection *connection_of(struct explain *e, const struct record *r, bool *first)
{
	const struct record_handshake *h = &r->handshake;
	uint32_t role = 1U << (h->role < 0 ? ROLES : h->role);
	struct connection *c = NULL;
	uint64_t conn;
	char *end;
	bool added;

	*first = true;
	if (!h->conn || !*h->conn)
		return NULL;
	explain_forget(e);
	conn = strtoull(h->conn, &end, 16);
	if (!*end)
		c = item_of(e, &e->connection_keys, &conn, &e->connections, sizeof(*c), &added);
	if (!c)
		return NULL;
	if (added)
		c->same = 1 + explain_other_side(e, r, (uint32_t)(c - (struct connection *)e->connections.items));
	c = (struct connection *)e->connections.items + c->same - 1;
	if (added)
		explain_remember(e, conn, c);
	/* A side that came already: another attempt with the same ports (RFC 6191), or with none. */
	if (c->roles & role)
		*c = (struct connection){ .same = c->same };
	*first = !c->roles;
	c->roles |= role;
	return c;
}

static bool is_joined(const struct connection *c)
{
	return c && (c->roles & 1U << ROLE_ACTIVE) && (c->roles & 1U << ROLE_PASSIVE);
}

/* What is known to have harmed it; NULL if nothing is, or that is counted already. */
static struct harm *harm_of(const struct explain *e, const struct connection *c)
{
	return c && c->harm && c->harm != HARM_FOLDED ? (struct harm *)e->harms.items + c->harm - 1 : NULL;
}

static void add_handshake(struct explain *e, const struct record *r)
{
	const struct record_handshake *h = &r->handshake;
	bool passive = h->role == ROLE_PASSIVE, first;
	struct connection *connection = connection_of(e, r, &first);
	struct harm harm = { .usual = usual_of(e, r, passive), .attempt = UINT32_MAX, .passive = passive }, *kept;
	struct usual *usual = e->usuals.items;

	e->totals.handshakes += first;
	if (is_joined(connection) && harm_of(e, connection))
		across_joined(e->across, harm_of(e, connection)->attempt);
	if (!is_harmed(h)) {
		if (harm.usual != NO_USUAL && h->latency_ns != NS_UNKNOWN) {
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
	harm.lead = explain_lead(e, r);
	if (r->host)
		e->failed = !across_attempt(e->across, r, &harm.attempt) || e->failed;
	if (is_joined(connection))
		across_joined(e->across, harm.attempt);
	if (harm_of(e, connection))
		join(harm_of(e, connection), &harm);
	if (connection && connection->harm)
		return;
	explain_fold_harms(e);
	kept = explain_append(e, &e->harms, sizeof(*kept));
	if (!kept)
		return;
	*kept = harm;
	if (connection && e->harms.count < UINT32_MAX)
		connection->harm = (uint32_t)e->harms.count;
}

/* ---- the rest ---- */

/* A daemon that begins did not see which listeners closed before it; of those that there are it says so. */
static void forget_groups(struct explain *e, uint32_t host)
{
	for (size_t i = 0; i < e->listeners.count; i++) {
		struct listener_facts *facts = (struct listener_facts *)e->listeners.items + i;

		if (facts->group && ((const struct place_key *)keyset_at(&e->listener_keys, i))->host == host)
			*facts->group = (struct group){ 0 };
	}
}

static void add_hello(struct explain *e, const struct record *r)
{
	struct explain_totals *t = &e->totals;
	const char *host = r->hello.host ? r->hello.host : "";
	const char *boot_id = r->hello.boot_id ? r->hello.boot_id : "";
	struct evidence evidence;

	if (!r->hello.repeated)
		forget_groups(e, r->host_number);
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

static void add_host(struct explain *e, const struct record *r)
{
	while (r->host && e->hosts.count <= r->host_number)
		if (!explain_append(e, &e->hosts, sizeof(struct host_name)))
			return;
	if (r->host)
		snprintf(((struct host_name *)e->hosts.items)[r->host_number].name, sizeof(struct host_name), "%s", r->host);
	e->totals.hosts = (uint32_t)e->hosts.count;
}

void explain_add(struct explain *e, const struct record *r)
{
	static void (*const adders[RECORD_TYPES])(struct explain *e, const struct record *r) = {
		[RECORD_HELLO] = add_hello,	  [RECORD_HANDSHAKE] = add_handshake,
		[RECORD_LOSS] = add_loss,	  [RECORD_LISTENER] = add_listener,
		[RECORD_OVERFLOW] = add_overflow, [RECORD_RESET] = add_reset,
	};

	explain_stretch(e->totals.from, e->totals.to, r->ts);
	add_host(e, r);
	if (r->host)
		e->failed = !across_add(e->across, r) || e->failed;
	if (adders[r->type])
		adders[r->type](e, r);
}
