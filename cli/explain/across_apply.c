// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Handshakes that other hosts' records explain better get that cause. */
#include "cli/explain/model_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

static struct explain_cause *cause_at(const struct explain *e, uint32_t number)
{
	return (struct explain_cause *)e->causes.items + number;
}

/* A queue is its listener's; all else stays where the client saw it. False: nobody knows where. */
static bool set_key(const struct explain *e, const struct harm *h, const struct cause_row *row,
		    const struct across_finding *f, struct cause_key *key)
{
	memset(key, 0, sizeof(*key));
	if (row->by == CAUSE_BY_LISTENER) {
		key->by = CAUSE_BY_LISTENER;
		key->place.host = f->host;
		key->place.netns = f->netns;
		key->place.port = f->port;
		memcpy(key->place.addr, f->addr, strlen(f->addr));
	} else if (h->cause != NO_CAUSE) {
		*key = *(const struct cause_key *)keyset_at(&e->cause_keys, h->cause);
		memset(key->code, 0, sizeof(key->code));
	} else {
		return false;
	}
	memcpy(key->code, f->code, strlen(f->code));
	return true;
}

static void set_time(struct explain_cause *c, uint64_t wall_ns, bool *newest)
{
	struct clock_cache cache = { 0 };
	struct buf ts = { 0 };

	clock_format(&cache, &ts, (int64_t)wall_ns);
	buf_mem(&ts, "", 1);
	*newest = ts.failed || strcmp(ts.data, c->last) >= 0;
	if (!ts.failed)
		explain_stretch(c->first, c->last, ts.data);
	buf_free(&ts);
}

static bool is_better(const struct harm *h, const struct cause_row *row, const struct across_finding *f)
{
	return row->weight > h->weight || (row->weight == h->weight && f->proven && !h->proven);
}

static void explain_better(struct explain *e, struct harm *h, const struct across_finding *f)
{
	const struct cause_row *row = cause_find(f->code);
	struct explain_process process = { 0 };
	struct explain_cause *c;
	struct cause_key key;
	bool newest;

	if (!row || !is_better(h, row, f) || !set_key(e, h, row, f, &key))
		return;
	if (h->cause != NO_CAUSE && key.by != CAUSE_BY_LISTENER)
		process = cause_at(e, h->cause)->process;
	c = explain_cause_of(e, &key);
	if (!c)
		return;
	set_time(c, f->wall_ns, &newest);
	if (newest || !c->evidence)
		explain_set_evidence(e, c, f->detail);
	if (process.known)
		explain_take_process(&c->process, process);
	h->cause = (uint32_t)(c - (struct explain_cause *)e->causes.items);
	h->weight = (int8_t)row->weight;
	h->proven = f->proven;
}

/* Only with the newest sentence: it is about that handshake. */
static void add_to_sentence(struct explain *e, const struct harm *h, const struct across_finding *f)
{
	struct explain_cause *c = h->cause == NO_CAUSE ? NULL : cause_at(e, h->cause);
	struct buf text = { 0 };

	if (!c || !c->evidence)
		return;
	buf_str(&text, c->evidence);
	buf_lit(&text, "; ");
	buf_str(&text, f->detail);
	buf_mem(&text, "", 1);
	if (text.failed)
		e->failed = true;
	else
		explain_set_evidence(e, c, text.data);
	buf_free(&text);
}

void explain_ask_others(struct explain *e, const struct input_report *report)
{
	struct harm *harms = e->harms.items;
	bool *said;

	if (!report || report->host_count < 2)
		return;
	said = calloc(e->causes.count + 1, sizeof(*said));
	if (!said) {
		e->failed = true;
		return;
	}
	across_ready(e->across, report->hosts, report->host_count);
	for (size_t i = e->harms.count; i-- > 0;) {
		struct harm *h = &harms[i];
		uint32_t before = h->cause;
		struct across_finding f;

		if (!across_find(e->across, h->attempt, &f))
			f = (struct across_finding){ .code = "" };
		if (*f.code)
			explain_better(e, h, &f);
		else if (*f.detail && before != NO_CAUSE && !said[before])
			add_to_sentence(e, h, &f);
		if (before != NO_CAUSE && h->cause == before)
			said[before] = true;
	}
	free(said);
}
