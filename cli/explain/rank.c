// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The second half of the model: places made one, handshakes counted, causes ranked. */
#define _GNU_SOURCE
#include "cli/explain/model.h"
#include "cli/explain/model_internal.h"

#include <stdlib.h>
#include <string.h>

static struct explain_cause *causes_of(const struct explain *e)
{
	return e->causes.items;
}

/* ---- which listener a place is ---- */

static bool is_ipv6(const char *addr)
{
	return strchr(addr, ':');
}

/* Whether a listener at `listening` takes what comes to `addr`; a wildcard or that address. */
static bool takes(const char *listening, bool v6only, const char *addr)
{
	if (strcmp(listening, addr) == 0)
		return true;
	if (strcmp(listening, "0.0.0.0") == 0)
		return !is_ipv6(addr);
	return strcmp(listening, "::") == 0 && (is_ipv6(addr) || !v6only);
}

/* The listener of that namespace that the kernel would choose: the most specific one. */
static const struct place_key *listener_at(const struct explain *e, const struct place_key *place)
{
	static const char *const wildcards[] = { NULL, "0.0.0.0", "::" };

	for (size_t i = 0; i < sizeof(wildcards) / sizeof(wildcards[0]); i++) {
		struct place_key key = *place;
		const struct listener_facts *facts;
		size_t number;

		if (wildcards[i]) {
			memset(key.addr, 0, sizeof(key.addr));
			memcpy(key.addr, wildcards[i], strlen(wildcards[i]));
		}
		number = keyset_find(&e->listener_keys, &key);
		if (number == KEYSET_NONE)
			continue;
		facts = (const struct listener_facts *)e->listeners.items + number;
		if (takes(key.addr, facts->v6only, place->addr))
			return keyset_at(&e->listener_keys, number);
	}
	return NULL;
}

/*
 * A client of another namespace saw the address, not whose it is: the listener is the one that
 * refused for the same reason on that port. If there are several, nobody knows.
 */
static const struct place_key *refuser_of(const struct explain *e, const struct cause_key *key)
{
	const struct place_key *found = NULL;

	for (size_t i = 0; i < e->causes.count; i++) {
		const struct cause_key *other = keyset_at(&e->cause_keys, i);
		const struct place_key *place;

		if (other->active || other->by != CAUSE_BY_LISTENER || !*other->place.addr ||
		    other->place.port != key->place.port || strcmp(other->code, key->code) != 0)
			continue;
		place = listener_at(e, &other->place);
		if (!place || !takes(place->addr, false, key->place.addr))
			continue;
		if (found && found != place)
			return NULL;
		found = place;
	}
	return found;
}

static struct cause_key settled(const struct explain *e, const struct cause_key *from)
{
	struct cause_key key = *from;
	const struct place_key *place = NULL;

	if (key.by == CAUSE_BY_LISTENER && *key.place.addr) {
		place = listener_at(e, &key.place);
		if (!place && key.active)
			place = refuser_of(e, &key);
	}
	if (place)
		key.place = *place;
	key.active = 0;
	return key;
}

struct explain_process explain_owner_at(const struct explain *e, const struct place_key *place)
{
	const struct place_key *listener = listener_at(e, place);
	const struct listener_facts *facts = e->listeners.items;

	return listener ? facts[keyset_find(&e->listener_keys, listener)].owner : (struct explain_process){ 0 };
}

/* ---- making two causes one ---- */

static void merge(struct explain_cause *into, struct explain_cause *from)
{
	bool newer = strcmp(from->last, into->last) > 0;

	if (from->evidence && (newer || !into->evidence)) {
		free(into->evidence);
		into->evidence = from->evidence;
		from->evidence = NULL;
	}
	if (from->process.known && (newer || !into->process.known))
		explain_take_process(&into->process, from->process);
	else
		explain_lend_container(&into->process, &from->process);
	if (*from->first && (!*into->first || strcmp(from->first, into->first) < 0))
		memcpy(into->first, from->first, sizeof(into->first));
	if (newer)
		memcpy(into->last, from->last, sizeof(into->last));
	into->refused.syn += from->refused.syn;
	into->refused.ack += from->refused.ack;
	into->refused.cookie += from->refused.cookie;
	into->refused.proven += from->refused.proven;
	into->refused.probable += from->refused.probable;
}

static void set_facts(const struct explain *e, struct explain_cause *c, const struct cause_key *key)
{
	size_t number = keyset_find(&e->listener_keys, &key->place);
	const struct listener_facts *facts = e->listeners.items;

	if (c->by != CAUSE_BY_LISTENER || number == KEYSET_NONE)
		return;
	facts += number;
	c->limit = facts->limit;
	c->backlog = facts->backlog;
	c->group = facts->group;
	c->oldest_wait_ns = facts->oldest_wait_ns;
	if (!c->process.known)
		c->process = facts->owner;
	explain_lend_container(&c->process, &facts->owner);
}

/* Replace the causes by those of settled places; `numbers` says which became which. */
static void settle(struct explain *e, uint32_t *numbers)
{
	struct keyset keys = { .key_size = sizeof(struct cause_key) };
	struct array settled_causes = { 0 };
	struct explain_cause *old = causes_of(e), *c;

	for (size_t i = 0; i < e->causes.count; i++) {
		struct cause_key key = settled(e, keyset_at(&e->cause_keys, i));
		bool added;
		size_t number = keyset_put(&keys, &key, &added);

		c = NULL;
		if (added)
			c = explain_append(e, &settled_causes, sizeof(*c));
		else if (number == KEYSET_NONE)
			e->failed = true;
		if (c) {
			*c = old[i];
			old[i].evidence = NULL;
			memcpy(c->addr, key.place.addr, sizeof(c->addr));
			c->netns = key.place.netns;
			c->host_number = key.place.host;
			set_facts(e, c, &key);
		} else if (!e->failed) {
			merge((struct explain_cause *)settled_causes.items + number, &old[i]);
		}
		numbers[i] = e->failed ? 0 : (uint32_t)number;
	}
	for (size_t i = 0; i < e->causes.count; i++)
		free(old[i].evidence);
	free(old);
	keyset_free(&e->cause_keys);
	e->cause_keys = keys;
	e->causes = settled_causes;
}

/* ---- counting ---- */

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The median; NS_UNKNOWN if nothing ordinary came from there. */
static uint64_t usual_latency(const struct usual *usual)
{
	uint64_t sorted[USUAL_SAMPLES];
	size_t count = usual->count < USUAL_SAMPLES ? usual->count : USUAL_SAMPLES;

	if (!count)
		return NS_UNKNOWN;
	memcpy(sorted, usual->latency, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), compare_u64);
	return sorted[(count - 1) / 2];
}

uint64_t explain_time_lost(const struct explain *e, const struct harm *h)
{
	uint64_t usual;

	if (!h->slow || h->lost_ns == NS_UNKNOWN)
		return h->lost_ns;
	if (h->usual == NO_USUAL)
		return NS_UNKNOWN;
	usual = usual_latency((const struct usual *)e->usuals.items + h->usual);
	if (usual == NS_UNKNOWN)
		return NS_UNKNOWN;
	return h->lost_ns > usual ? h->lost_ns - usual : 0;
}

/* `all` of them are alike. */
static void count_harms(struct explain *e, const struct harm *h, const struct harms *all, const uint32_t *numbers)
{
	struct explain_totals *t = &e->totals;
	struct explain_cause *c;

	t->harmed += all->count;
	t->failed += h->failed ? all->count : 0;
	t->untimed += all->untimed;
	t->time_lost_ns += all->lost_ns;
	if (h->cause == NO_CAUSE) {
		t->undiagnosed += all->count;
		return;
	}
	c = causes_of(e) + numbers[h->cause];
	c->handshakes += all->count;
	*(h->proven ? &c->proven : &c->probable) += all->count;
	c->failed += h->failed ? all->count : 0;
	c->outcomes[h->outcome] += all->count;
	c->untimed += all->untimed;
	c->time_lost_ns += all->lost_ns;
	explain_count_lead(e, c, h->lead, all->count);
}

static void count_harm(struct explain *e, const struct harm *h, const uint32_t *numbers)
{
	uint64_t lost = explain_time_lost(e, h);
	struct harms one = { .count = 1, .untimed = lost == NS_UNKNOWN, .lost_ns = lost == NS_UNKNOWN ? 0 : lost };

	count_harms(e, h, &one, numbers);
}

/* ---- ranking ---- */

static uint64_t refused(const struct explain_cause *c)
{
	return c->refused.syn + c->refused.ack;
}

static int compare_causes(const void *a, const void *b)
{
	const struct explain_cause *x = a, *y = b;
	const uint64_t keys[][2] = {
		{ x->failed, y->failed },	  { x->time_lost_ns, y->time_lost_ns },
		{ x->handshakes, y->handshakes }, { refused(x), refused(y) },
		{ x->refused.cookie, y->refused.cookie },
	};
	int order;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i][0] != keys[i][1])
			return keys[i][0] < keys[i][1] ? 1 : -1;
	/* The same feed always gives the same report. */
	order = strcmp(x->code, y->code);
	if (!order)
		order = strcmp(x->addr, y->addr);
	if (!order)
		order = strcmp(x->process.comm, y->process.comm);
	if (!order)
		order = x->port != y->port ? (x->port > y->port) - (x->port < y->port)
					   : (x->netns > y->netns) - (x->netns < y->netns);
	return order ? order : (x->host_number > y->host_number) - (x->host_number < y->host_number);
}

/* Where all handshakes were counted at their other side nothing is left to report. */
static void drop_empty(struct explain *e)
{
	struct explain_cause *c = causes_of(e);
	size_t kept = 0;

	for (size_t i = 0; i < e->causes.count; i++) {
		if (c[i].handshakes || refused(&c[i]) || c[i].refused.cookie) {
			if (kept != i) {
				c[kept] = c[i];
				c[i].evidence = NULL;
			}
			kept++;
		} else {
			free(c[i].evidence);
			c[i].evidence = NULL;
		}
	}
	e->causes.count = kept;
}

const char *explain_host_name(const struct explain *e, uint32_t number)
{
	const struct host_name *hosts = e->hosts.items;

	return e->hosts.count > 1 && number < e->hosts.count ? hosts[number].name : NULL;
}

/* Now that all names are known. */
static void set_names(struct explain *e)
{
	for (size_t i = 0; i < e->causes.count; i++) {
		struct explain_cause *c = causes_of(e) + i;

		c->host = explain_host_name(e, c->host_number);
		c->process.container = containers_at(&e->containers, c->process.container_number);
		c->led.process.container = containers_at(&e->containers, c->led.process.container_number);
	}
}

int explain_finish(struct explain *e, const struct input_report *report)
{
	uint32_t *numbers;

	if (e->finished)
		return e->failed ? -1 : 0;
	e->finished = true;
	explain_ask_others(e, report);
	numbers = calloc(e->causes.count + 1, sizeof(*numbers));
	if (!numbers || e->failed) {
		free(numbers);
		e->failed = true;
		return -1;
	}
	settle(e, numbers);
	for (size_t i = 0; !e->failed && i < e->harms.count; i++)
		count_harm(e, (struct harm *)e->harms.items + i, numbers);
	for (size_t i = 0; !e->failed && i < e->folded.count; i++)
		count_harms(e, keyset_at(&e->folded_keys, i), (struct harms *)e->folded.items + i, numbers);
	free(numbers);
	if (e->failed)
		return -1;
	drop_empty(e);
	set_names(e);
	if (e->causes.count)
		qsort(e->causes.items, e->causes.count, sizeof(struct explain_cause),
		      compare_causes);
	return 0;
}

size_t explain_count(const struct explain *e)
{
	return e->causes.count;
}

const struct explain_cause *explain_at(const struct explain *e, size_t rank)
{
	return causes_of(e) + rank;
}

const struct explain_totals *explain_totals(const struct explain *e)
{
	return &e->totals;
}
