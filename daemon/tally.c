// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tally.h"

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

void tally_failed(struct tallies *t, enum record_type type)
{
	t->of[type].failed++;
}

uint64_t counters_handshakes(const struct counters *c)
{
	uint64_t seen = 0;

	for (int role = 0; role < ROLES; role++)
		for (int outcome = 0; outcome < OUTCOMES; outcome++)
			seen += c->handshakes[role][outcome];
	return seen;
}

static uint64_t seen_of(const struct counters *c, int kind)
{
	return kind == EVENT_HANDSHAKE ? counters_handshakes(c) : c->events[kind];
}

bool counters_settled(const struct counters *c)
{
	for (int kind = 0; kind < EVENT_KINDS; kind++)
		if (seen_of(c, kind) != c->delivered[kind] + c->filtered[kind] + c->limited[kind] +
						c->ring_full[kind])
			return false;
	return true;
}

bool tally_fate(const struct tallies *t, const struct counters *c, enum record_type type,
		struct fate *fate)
{
	const struct tally *of = &t->of[type];

	if (!(STREAM_RECORDS & (1U << type)))
		return false;
	*fate = (struct fate){ .seen = of->made, .delivered = of->made - of->left - of->failed,
			       .filtered = of->left, .lost = of->failed };
	for (int kind = 0; kind < EVENT_KINDS; kind++) {
		if (record_of_kind[kind] != type)
			continue;
		fate->seen += seen_of(c, kind);
		fate->delivered += c->delivered[kind];
		fate->filtered += c->filtered[kind];
		fate->limited += c->limited[kind];
		fate->lost += c->ring_full[kind];
	}
	return true;
}
