// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Handshakes that NAT led elsewhere: from where, to where, and how many of a cause. */
#include <string.h>

#include "cli/explain/model_internal.h"
#include "cli/feed/led.h"

uint32_t explain_lead(struct explain *e, const struct record *r)
{
	const struct record_handshake *h = &r->handshake;
	struct lead_key key = { .home = record_is_led_home(h) };
	size_t number;
	bool added;

	if (!record_is_led(h))
		return 0;
	explain_set_place(&key.from, r, &h->remote);
	explain_set_place(&key.to, r, &h->nat);
	if (e->lead_keys.count >= PLACES && keyset_find(&e->lead_keys, &key) == KEYSET_NONE)
		return 0;
	number = keyset_put(&e->lead_keys, &key, &added);
	e->failed = e->failed || number == KEYSET_NONE;
	return number == KEYSET_NONE ? 0 : (uint32_t)number + 1;
}

const struct endpoint *explain_server_end(const struct record_handshake *h, enum cause_by by)
{
	if (h->role == ROLE_PASSIVE)
		return &h->local;
	return by == CAUSE_BY_LISTENER && record_is_led(h) ? &h->nat : &h->remote;
}

static void set_end(struct explain_end *end, const struct place_key *place)
{
	memcpy(end->addr, place->addr, sizeof(end->addr));
	end->port = (uint16_t)place->port;
}

/* The first lead is named; others are counted. */
void explain_count_lead(const struct explain *e, struct explain_cause *c, uint32_t lead, uint64_t count)
{
	const struct lead_key *key = lead ? keyset_at(&e->lead_keys, lead - 1) : NULL;
	struct explain_led *led = &c->led;

	if (!key)
		return;
	if (led->handshakes && led->lead != lead) {
		led->others += count;
		return;
	}
	if (!led->handshakes) {
		led->lead = lead;
		led->home = key->home;
		set_end(&led->from, &key->from);
		set_end(&led->to, &key->to);
		if (key->home) /* its namespace is the client's, else nobody knows which it is */
			led->process = explain_owner_at(e, &key->to);
	}
	led->handshakes += count;
}
