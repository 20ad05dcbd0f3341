// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/cause/track.h"

#include <stdlib.h>

#include "common/clock.h"

void series_add(struct series *s, uint64_t ns)
{
	uint64_t after_us;

	if (!s->count)
		s->first_ns = ns;
	after_us = ns > s->first_ns ? (ns - s->first_ns) / 1000 : 0;
	if (s->count < EVIDENCE_TIMES)
		s->after_us[s->count] = after_us < UINT32_MAX ? (uint32_t)after_us : UINT32_MAX;
	if (s->count < UINT16_MAX)
		s->count++;
}

unsigned int series_known(const struct series *s)
{
	return s->count < EVIDENCE_TIMES ? s->count : EVIDENCE_TIMES;
}

uint64_t series_ns(const struct series *s, unsigned int i)
{
	return s->first_ns + s->after_us[i] * 1000ULL;
}

uint64_t track_timer_ns(unsigned int timeouts)
{
	uint64_t seconds = timeouts < 6 ? 2ULL << timeouts : 120;

	return (seconds < 120 ? seconds : 120) * NSEC_PER_SEC;
}

void tracks_free(struct tracks *ts)
{
	struct track *t;

	while ((t = tracks_next(ts, NULL)))
		tracks_remove(ts, t);
}

struct track *tracks_find(const struct tracks *ts, uint64_t key)
{
	struct track *t = ts->bucket[key % TRACK_BUCKETS];

	while (t && t->key != key)
		t = t->next;
	return t;
}

struct track *tracks_of(const struct tracks *ts, uint64_t key, uint32_t client_isn)
{
	struct track *t = tracks_find(ts, key);

	return t && t->client_isn == client_isn ? t : NULL;
}

static void clear(struct track *t, uint32_t client_isn)
{
	*t = (struct track){ .next = t->next, .key = t->key, .client_isn = client_isn,
			     .client = { .done_ns = NS_UNKNOWN, .trip_ns = NS_UNKNOWN },
			     .server = { .began_ns = NS_UNKNOWN, .trip_ns = NS_UNKNOWN } };
}

struct track *tracks_get(struct tracks *ts, uint64_t key, uint32_t client_isn, uint64_t now_ns)
{
	struct track *t = tracks_find(ts, key);

	if (!t) {
		t = ts->count < TRACKS_MAX ? calloc(1, sizeof(*t)) : NULL;
		if (!t) {
			ts->lost++;
			return NULL;
		}
		t->key = key;
		t->next = ts->bucket[key % TRACK_BUCKETS];
		ts->bucket[key % TRACK_BUCKETS] = t;
		ts->count++;
		clear(t, client_isn);
	} else if (t->client_isn != client_isn) { /* a new connection between the same ends */
		clear(t, client_isn);
	}
	t->touched_ns = now_ns;
	return t;
}

struct track *tracks_next(const struct tracks *ts, const struct track *t)
{
	size_t i = 0;

	if (t) {
		if (t->next)
			return t->next;
		i = t->key % TRACK_BUCKETS + 1;
	}
	while (i < TRACK_BUCKETS && !ts->bucket[i])
		i++;
	return i < TRACK_BUCKETS ? ts->bucket[i] : NULL;
}

void tracks_remove(struct tracks *ts, struct track *t)
{
	struct track **p = &ts->bucket[t->key % TRACK_BUCKETS];

	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
	ts->count--;
	free(t);
}

void tracks_done(struct tracks *ts, uint64_t key, const struct event_handshake *e)
{
	struct recent *r = &ts->recent[key % RECENT & ~1ULL];

	if (r[1].done_ns < r[0].done_ns) /* the older of two makes room */
		r++;
	*r = (struct recent){
		.key = key,
		.done_ns = e->end_ns,
		.trip_ns = e->retransmits ? e->rtt_ns : e->latency_ns,
		.isn = e->client_isn,
	};
}

static const struct recent *find_recent(const struct tracks *ts, uint64_t key, uint32_t client_isn)
{
	const struct recent *r = &ts->recent[key % RECENT & ~1ULL];

	for (int i = 0; i < 2; i++)
		if (r[i].key == key && r[i].isn == client_isn)
			return &r[i];
	return NULL;
}

bool tracks_was_done(const struct tracks *ts, uint64_t key, uint32_t client_isn)
{
	return find_recent(ts, key, client_isn);
}

void tracks_client(const struct tracks *ts, uint64_t key, uint32_t client_isn, uint64_t *done_ns,
		   uint64_t *trip_ns)
{
	const struct recent *r = find_recent(ts, key, client_isn);

	if (!r)
		return;
	*done_ns = r->done_ns;
	*trip_ns = r->trip_ns;
}
