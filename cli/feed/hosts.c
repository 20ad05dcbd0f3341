// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/feed/hosts.h"
#include "cli/text/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/clock.h"
#include "common/duration.h"
#include "common/keyset.h"

/* Keys: no padding, unused bytes zero. */
struct host_key {
	char name[HOST_NAME_SIZE];
	uint64_t source; /* of a host that its records do not name: 1 + the recording's number */
};

struct feed_key {
	uint32_t host;
	uint32_t source; /* of a feed without a name: 1 + the recording's number */
	char id[16];
};

/* Of a feed with a name records may come in any order, as from a database; another one begins anew with hello. */
struct feed_count {
	uint64_t first, last, count;
};

struct hosts {
	struct keyset hosts, feeds;
	struct feed_count *counts; /* by number of their feed */
	size_t room;
	uint64_t records[CLOCK_HOSTS], missing[CLOCK_HOSTS]; /* of each host */
	uint64_t newest_ns[CLOCK_HOSTS]; /* the latest `wall_ns` of each */
	struct clocks *clocks;
	struct clock_cache cache;
	struct buf ts;
	/* What the last record was found under: most are of the same. */
	struct host_key host;
	struct feed_key feed;
	size_t host_number, feed_number; /* + 1; 0: none yet */
	uint64_t base_ns; /* `wall_ns` of the first record less its `mono_ns` */
};

struct hosts *hosts_new(void)
{
	struct hosts *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->hosts.key_size = sizeof(struct host_key);
	h->feeds.key_size = sizeof(struct feed_key);
	h->clocks = clocks_new();
	if (h->clocks)
		return h;
	free(h);
	return NULL;
}

void hosts_free(struct hosts *h)
{
	if (!h)
		return;
	keyset_free(&h->hosts);
	keyset_free(&h->feeds);
	free(h->counts);
	clocks_free(h->clocks);
	buf_free(&h->ts);
	free(h);
}

/* ---- names ---- */

/* What does not fit is cut off; the rest of `out` is 0 already. */
static void put_name(char *out, size_t size, const char *name)
{
	size_t len = name ? strnlen(name, size - 1) : 0;

	memcpy(out, name ? name : "", len);
}

bool hosts_name(struct hosts *h, struct record *r, uint32_t source, const char *name)
{
	const char *own = r->type == RECORD_HELLO && r->feed ? r->hello.host : r->host;
	struct host_key key = { .source = own ? 0 : 1 + (uint64_t)source };
	bool added;

	r->host = own ? own : name;
	put_name(key.name, sizeof(key.name), r->host);
	if (!h->host_number || memcmp(&key, &h->host, sizeof(key)) != 0) {
		size_t number = keyset_put(&h->hosts, &key, &added);

		if (number == KEYSET_NONE)
			return false;
		h->host = key;
		h->host_number = number + 1;
	}
	r->host_number = (uint32_t)(h->host_number - 1);
	return true;
}

uint32_t hosts_count(const struct hosts *h)
{
	return (uint32_t)h->hosts.count;
}

/* ---- gaps ---- */

static struct feed_count *count_of(struct hosts *h, const struct record *r, uint32_t source)
{
	struct feed_key key = { .host = r->host_number, .source = r->feed ? 0 : 1 + source };
	bool added;
	size_t number;

	put_name(key.id, sizeof(key.id), r->feed);
	if (h->feed_number && memcmp(&key, &h->feed, sizeof(key)) == 0)
		return &h->counts[h->feed_number - 1];
	number = keyset_put(&h->feeds, &key, &added);
	if (number == KEYSET_NONE)
		return NULL;
	if (!ARRAY_ROOM(h->counts, number, h->room))
		return NULL;
	if (added)
		h->counts[number] = (struct feed_count){ 0 };
	h->feed = key;
	h->feed_number = number + 1;
	return &h->counts[number];
}

/* A store may return a line twice; such lines may hide gaps, but make none. */
static int64_t missing(const struct feed_count *c)
{
	int64_t span = c->count ? (int64_t)(c->last - c->first + 1) : 0, count = (int64_t)c->count;

	return span > count ? span - count : 0;
}

int64_t hosts_missing(struct hosts *h, const struct record *r, uint32_t source)
{
	struct feed_count *c = count_of(h, r, source);
	int64_t before;

	/* A recording may be several feeds, one after the other: each starts with its hello, of which a repeated one has no number. */
	if (c && !r->feed && r->type == RECORD_HELLO)
		*c = (struct feed_count){ 0 };
	if (!c || !r->seq)
		return 0;
	if (!r->feed && r->seq <= c->last)
		*c = (struct feed_count){ 0 };
	before = missing(c);
	if (!c->count || r->seq < c->first)
		c->first = r->seq;
	if (r->seq > c->last)
		c->last = r->seq;
	c->count++;
	if (r->host_number < CLOCK_HOSTS) {
		h->records[r->host_number]++;
		h->missing[r->host_number] += (uint64_t)(missing(c) - before);
	}
	return missing(c) - before;
}

/* Is it where a recording begins? By the time of a feed's records, its hello may come after others. */
static bool begins(struct hosts *h, const struct record *r)
{
	const struct feed_count *c = r->feed && r->seq ? count_of(h, r, 0) : NULL;

	return c ? c->count == 1 : r->type == RECORD_HELLO;
}

uint64_t hosts_gap(struct hosts *h, const struct record *r)
{
	uint64_t *newest = r->host_number < CLOCK_HOSTS ? &h->newest_ns[r->host_number] : NULL, gap;

	if (!newest || r->wall_ns <= *newest)
		return 0;
	gap = *newest && begins(h, r) ? r->wall_ns - *newest : 0;
	*newest = r->wall_ns;
	return gap;
}

void hosts_again(struct hosts *h)
{
	memset(h->newest_ns, 0, sizeof(h->newest_ns));
	keyset_clear(&h->feeds);
	h->feed_number = 0;
	memset(h->records, 0, sizeof(h->records));
	memset(h->missing, 0, sizeof(h->missing));
}

/* ---- clocks ---- */

void hosts_learn(struct hosts *h, const struct record *r)
{
	clocks_add(h->clocks, r);
}

uint64_t hosts_time(struct hosts *h, const struct record *r)
{
	return r->wall_ns ? r->wall_ns - (uint64_t)clocks_ahead(h->clocks, r->host_number) : 0;
}

void hosts_correct(struct hosts *h, struct record *r)
{
	uint64_t time = hosts_time(h, r);

	if (!h->base_ns && r->wall_ns && r->mono_ns)
		h->base_ns = time - r->mono_ns;
	if (hosts_count(h) < 2 || !time || time <= h->base_ns)
		return;
	if (r->mono_ns)
		r->mono_ns = time - h->base_ns;
	buf_clear(&h->ts);
	clock_format(&h->cache, &h->ts, (int64_t)time);
	buf_mem(&h->ts, "", 1);
	if (!h->ts.failed)
		r->ts = h->ts.data;
}

/* ---- what is said of them ---- */

void hosts_report(struct hosts *h, uint32_t number, struct host_report *report)
{
	const struct host_key *key = keyset_at(&h->hosts, number);
	struct buf name = { 0 };

	text_append(&name, key->name, false);
	buf_mem(&name, "", 1);
	*report = (struct host_report){
		.records = number < CLOCK_HOSTS ? h->records[number] : 0,
		.missing = number < CLOCK_HOSTS ? h->missing[number] : 0,
		.clock = clocks_read(h->clocks, number),
	};
	snprintf(report->name, sizeof(report->name), "%s", name.failed ? "?" : name.data);
	buf_free(&name);
}

const char *hosts_clock_text(const struct host_report *first, const struct host_report *other, char *out, size_t size)
{
	const struct clock_reading *c = &other->clock;
	char ahead[32], bound[32];

	if (!c->known) {
		snprintf(out, size, "%s is not compared with %s: no connection was seen on both", other->name, first->name);
		return out;
	}
	duration_format((uint64_t)(c->ahead_ns < 0 ? -c->ahead_ns : c->ahead_ns), ahead, sizeof(ahead));
	duration_format(c->bound_ns, bound, sizeof(bound));
	snprintf(out, size, "%s is %s %s %s (±%s, from %llu connection%s)", other->name, ahead,
		 c->ahead_ns < 0 ? "behind" : "ahead of", first->name, bound, (unsigned long long)c->connections,
		 c->connections == 1 ? "" : "s");
	return out;
}
