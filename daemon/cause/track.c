// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/cause/track.h"

#include <stdlib.h>
#include <string.h>

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

uint64_t track_timer_ns(unsigned int timeouts, uint64_t limit_ns)
{
	uint64_t ns = (timeouts < 6 ? 2ULL << timeouts : 120) * NSEC_PER_SEC;
	uint64_t most = limit_ns < 120 * NSEC_PER_SEC ? limit_ns : 120 * NSEC_PER_SEC;

	return ns < most ? ns : most;
}

void tracks_free(struct tracks *ts)
{
	struct track *t;

	while ((t = tracks_next(ts, NULL)))
		tracks_remove(ts, t);
}

/* ---- connections in trouble ---- */

static struct track *first_of(const struct tracks *ts, enum track_index by, uint64_t key)
{
	struct track *t = ts->bucket[by][key % TRACK_BUCKETS];

	while (t && t->link[by].key != key)
		t = t->link[by].next;
	return t;
}

static struct track *next_of(struct track *t, enum track_index by)
{
	uint64_t key = t->link[by].key;

	do
		t = t->link[by].next;
	while (t && t->link[by].key != key);
	return t;
}

static void insert(struct tracks *ts, struct track *t, enum track_index by, uint64_t key)
{
	struct track **bucket = &ts->bucket[by][key % TRACK_BUCKETS];

	t->link[by] = (struct track_link){ .next = *bucket, .key = key, .used = true };
	*bucket = t;
	ts->translated += by == BY_OTHER_ENDS;
}

static void take_out(struct tracks *ts, struct track *t, enum track_index by)
{
	struct track **p = &ts->bucket[by][t->link[by].key % TRACK_BUCKETS];

	if (!t->link[by].used)
		return;
	while (*p != t)
		p = &(*p)->link[by].next;
	*p = t->link[by].next;
	t->link[by].used = false;
	ts->translated -= by == BY_OTHER_ENDS;
}

struct track *tracks_find(const struct tracks *ts, uint64_t key)
{
	struct track *t = first_of(ts, BY_ENDS, key);

	return t || !ts->translated ? t : first_of(ts, BY_OTHER_ENDS, key);
}

struct track *tracks_of(const struct tracks *ts, uint64_t key, uint32_t client_isn)
{
	struct track *t = tracks_find(ts, key);

	return t && t->client_isn == client_isn ? t : NULL;
}

void track_seen(struct track *t, const struct sighting *s)
{
	t->seen[s->side] = true;
	t->ends[s->side] = s->ends;
	if (s->from_ns < t->from_ns)
		t->from_ns = s->from_ns;
}

static void clear(struct tracks *ts, struct track *t, const struct sighting *s)
{
	struct track_link own = t->link[BY_ENDS];

	take_out(ts, t, BY_OTHER_ENDS);
	take_out(ts, t, BY_ISN);
	*t = (struct track){ .link = { own }, .client_isn = s->client_isn, .from_ns = NS_UNKNOWN,
			     .client = { .done_ns = NS_UNKNOWN, .trip_ns = NS_UNKNOWN },
			     .server = { .began_ns = NS_UNKNOWN, .trip_ns = NS_UNKNOWN } };
	insert(ts, t, BY_ISN, s->client_isn);
}

/* The SYN leaves before anything is seen of it at the server, and the server sees it before the client gives up. */
static bool may_be_of(const struct track *t, const struct sighting *s)
{
	enum role other = s->side == ROLE_ACTIVE ? ROLE_PASSIVE : ROLE_ACTIVE;
	uint64_t syn_ns = other == ROLE_ACTIVE ? t->from_ns : s->from_ns;
	uint64_t server_ns = other == ROLE_ACTIVE ? s->from_ns : t->from_ns;
	bool in_time = syn_ns != NS_UNKNOWN && server_ns != NS_UNKNOWN && syn_ns <= server_ns + SLOP_NS &&
		       server_ns <= SLOP_NS + (other == ROLE_PASSIVE   ? s->to_ns :
					       t->client.ended ? t->touched_ns :
								 server_ns);

	if (!t->seen[other] || t->seen[s->side] || !in_time)
		return false;
	return other == ROLE_ACTIVE ? ends_kept(&t->ends[other], &s->ends) : ends_kept(&s->ends, &t->ends[other]);
}

struct track *tracks_meet(struct tracks *ts, const struct sighting *s)
{
	struct track *t = ts->count ? tracks_find(ts, s->key) : NULL, *met = NULL;

	if (!ts->count)
		return NULL;
	if (t)
		return t->client_isn == s->client_isn ? t : NULL;
	for (t = first_of(ts, BY_ISN, s->client_isn); t; t = next_of(t, BY_ISN)) {
		if (!may_be_of(t, s))
			continue;
		if (met)
			return NULL;
		met = t;
	}
	if (met)
		insert(ts, met, BY_OTHER_ENDS, s->key);
	return met;
}

struct track *tracks_get(struct tracks *ts, const struct sighting *s)
{
	struct track *t = tracks_find(ts, s->key);

	if (!t)
		t = tracks_meet(ts, s);
	if (!t) {
		t = ts->count < TRACKS_MAX ? calloc(1, sizeof(*t)) : NULL;
		if (!t) {
			ts->lost++;
			return NULL;
		}
		insert(ts, t, BY_ENDS, s->key);
		ts->count++;
		clear(ts, t, s);
	} else if (t->client_isn != s->client_isn) { /* a new connection between the same ends */
		if (t->link[BY_ENDS].key != s->key) { /* … of which an older one is found by others, too */
			take_out(ts, t, BY_OTHER_ENDS);
			return tracks_get(ts, s);
		}
		clear(ts, t, s);
	}
	t->touched_ns = s->to_ns;
	track_seen(t, s);
	return t;
}

bool track_peer(const struct track *t, enum role side, struct peer *peer)
{
	const struct ends *client = &t->ends[ROLE_ACTIVE], *server = &t->ends[ROLE_PASSIVE];

	if (!t->seen[ROLE_ACTIVE] || !t->seen[ROLE_PASSIVE] || !t->link[BY_OTHER_ENDS].used)
		return false;
	peer->port = side == ROLE_ACTIVE ? server->server_port : client->client_port;
	memcpy(peer->addr, side == ROLE_ACTIVE ? server->server_addr : client->client_addr, sizeof(peer->addr));
	peer->conn = ends_conn(client, t->client_isn);
	return true;
}

struct track *tracks_next(const struct tracks *ts, const struct track *t)
{
	size_t i = 0;

	if (t) {
		if (t->link[BY_ENDS].next)
			return t->link[BY_ENDS].next;
		i = t->link[BY_ENDS].key % TRACK_BUCKETS + 1;
	}
	while (i < TRACK_BUCKETS && !ts->bucket[BY_ENDS][i])
		i++;
	return i < TRACK_BUCKETS ? ts->bucket[BY_ENDS][i] : NULL;
}

void tracks_remove(struct tracks *ts, struct track *t)
{
	for (int by = 0; by < TRACK_INDEXES; by++)
		take_out(ts, t, (enum track_index)by);
	ts->count--;
	free(t);
}

/* ---- clients that were ESTABLISHED ---- */

void tracks_done(struct tracks *ts, const struct sighting *s, const struct event_handshake *e)
{
	struct recent *r = &ts->recent[s->client_isn % RECENT & ~1U];

	if (r[1].done_ns < r[0].done_ns) /* the older of two makes room */
		r++;
	*r = (struct recent){
		.key = s->key,
		.done_ns = e->end_ns,
		.trip_ns = e->retransmits ? e->rtt_ns : e->latency_ns,
		.isn = s->client_isn,
		.ends = s->ends,
	};
}

/*
 * Nothing need be as it was if the client was done while the server waited for it; else the times show less. On a busy
 * host a server's moments are some microseconds late.
 */
static bool may_be_client(const struct recent *r, const struct sighting *s)
{
	if (s->from_ns == NS_UNKNOWN)
		return r->done_ns <= s->to_ns && s->to_ns - r->done_ns < NSEC_PER_SEC && ends_kept(&r->ends, &s->ends);
	return s->from_ns <= r->done_ns + SLOP_NS && r->done_ns <= s->to_ns + SLOP_NS && ends_alike(&r->ends, &s->ends);
}

const struct recent *tracks_client(const struct tracks *ts, const struct sighting *s)
{
	const struct recent *r = &ts->recent[s->client_isn % RECENT & ~1U], *found = NULL;

	for (int i = 0; i < 2; i++)
		if (r[i].isn == s->client_isn && r[i].key == s->key && r[i].done_ns)
			return &r[i];
	for (int i = 0; i < 2; i++) {
		if (r[i].isn != s->client_isn || !r[i].done_ns || !may_be_client(&r[i], s))
			continue;
		if (found)
			return NULL;
		found = &r[i];
	}
	return found;
}
