// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/records/tally.h"
#include "bpf/counters.h"

void tally_event(struct tallies *t, enum record_type type)
{
	t->event = type;
	t->of[type].event_records = 0;
}

void tally_event_done(struct tallies *t)
{
	struct tally *of = &t->of[t->event];

	if (of->event_records)
		of->made += of->event_records - 1;
	else
		of->left++;
	t->event = RECORD_TYPES;
}

void tally_record(struct tallies *t, enum record_type type, bool of_event)
{
	if (type == t->event)
		t->of[type].event_records++;
	else if (!of_event)
		t->of[type].made++;
}

void tally_left(struct tallies *t, enum record_type type)
{
	t->of[type].left++;
}

void tally_limited(struct tallies *t, enum record_type type)
{
	t->of[type].limited++;
}

void tally_failed(struct tallies *t, enum record_type type)
{
	t->of[type].failed++;
}

static uint64_t handshakes(const struct counters *c)
{
	uint64_t seen = 0;

	for (int role = 0; role < ROLES; role++)
		for (int outcome = 0; outcome < OUTCOMES; outcome++)
			seen += c->handshakes[role][outcome];
	return seen;
}

uint64_t counters_resets(const struct counters *c, enum reset_direction direction,
			 enum reset_cause cause)
{
	bool requests = direction == RESET_RECEIVED && cause == RESET_PEER;

	return c->resets[direction][cause] + (requests ? c->request_resets : 0);
}

static uint64_t resets(const struct counters *c)
{
	uint64_t seen = 0;

	for (int direction = 0; direction < DIRECTIONS; direction++)
		for (int cause = 0; cause < RESET_CAUSES; cause++)
			seen += counters_resets(c, direction, cause);
	return seen;
}

static uint64_t seen_of(const struct counters *c, int kind)
{
	switch (kind) {
	case EVENT_HANDSHAKE:
		return handshakes(c);
	case EVENT_RESET:
		return resets(c);
	default:
		return c->events[kind];
	}
}

static void add_kind(struct fate *fate, const struct counters *c, int kind)
{
	uint64_t limited = c->limited[kind] + (kind == EVENT_HANDSHAKE ? c->connects_limited : 0);
	uint64_t rest = c->filtered[kind] + limited + c->ring_full[kind];
	uint64_t seen = seen_of(c, kind);

	if (seen < rest) /* a CPU may show its counters in another order than it adds to them */
		seen = rest;
	fate->seen += seen;
	fate->delivered += seen - rest;
	fate->filtered += c->filtered[kind];
	fate->limited += limited;
	fate->lost += c->ring_full[kind];
}

bool tally_fate(const struct tallies *t, const struct counters *c, enum record_type type,
		struct fate *fate)
{
	const struct tally *of = &t->of[type];

	if (!(STREAM_RECORDS & (1U << type)))
		return false;
	*fate = (struct fate){ .seen = of->made, .delivered = of->made - of->left - of->limited - of->failed,
			       .filtered = of->left, .limited = of->limited, .lost = of->failed };
	for (int kind = 0; kind < EVENT_KINDS; kind++)
		if (record_of_kind[kind] == type)
			add_kind(fate, c, kind);
	return true;
}
