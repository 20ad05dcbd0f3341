// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/record/ring.h"
#include "cli/record/ring_store.h"
#include "cli/feed/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"

/* Behind a full disk; as much as the daemon keeps for a slow reader. */
#define BACKLOG_BYTES (4 * 1024 * 1024)
#define RETRY_NS (NSEC_PER_SEC / 2)
#define NEVER UINT64_MAX

struct ring {
	struct ring_store *store;
	struct incidents *incidents;
	struct buf lines, frame, header;
	struct ring_span pending; /* of `lines` */
	uint64_t count; /* of `lines` */
	uint64_t since_ns; /* when the first of them was seen by ring_flush(); 0: not yet */
	struct buf hello; /* of the feed, marked as repeated; empty: there was none */
	struct buf in_force; /* the same, of the feed that `lines` begin in */
	bool begins; /* `lines` begin with a hello of their own */
	struct buf source; /* `,"host":…,"feed":…` where records have these */
	struct clock_cache cache;
	uint64_t mono_ns, wall_ns; /* of the last record */
	int error; /* of the last try; 0: it was good */
	uint64_t retry_at;
	uint64_t lost_since; /* lines, since it went wrong */
	struct ring_report report;
};

struct ring *ring_open(const char *path, uint64_t keep_bytes, const struct incident_plan *plan)
{
	struct ring *r = calloc(1, sizeof(*r));

	if (!r) {
		log_error("out of memory");
		return NULL;
	}
	r->pending.feed = 1;
	r->store = ring_store_open(path, keep_bytes);
	if (r->store)
		r->incidents = incidents_open(r->store, plan);
	if (r->incidents)
		return r;
	ring_store_close(r->store);
	free(r);
	return NULL;
}

/* ---- records ---- */

static void take_hello(struct ring *r, const struct record *record, const char *line, size_t len)
{
	const char *end = memrchr(line, '}', len);

	buf_clear(&r->hello);
	buf_mem(&r->hello, line, end ? (size_t)(end - line) : 0);
	if (!record->hello.repeated)
		buf_lit(&r->hello, ",\"repeated\":true");
	buf_lit(&r->hello, "}\n");
	buf_clear(&r->source);
	if (record->feed && record->hello.host) {
		json_string(&r->source, "host", record->hello.host);
		json_string(&r->source, "feed", record->feed);
	}
	if (!record->hello.repeated)
		r->pending.feed++;
	r->pending.first_seq = r->pending.last_seq = 0;
}

static void lose(struct ring *r)
{
	r->lost_since++;
	r->report.lost++;
}

/* ---- what the ring itself says ---- */

static void put_file(struct buf *b, const char *key, const struct ring_part *part)
{
	const struct ring_span *span = &part->span;

	json_object(b, key);
	json_string(b, "file", part->segment.name);
	json_known(b, "first_seq", span->first_seq, span->first_seq);
	json_known(b, "last_seq", span->last_seq, span->last_seq);
	buf_lit(b, "}");
}

/* They get the time of the last record: behind it they stand. */
static void put_rotation(struct ring *r, const struct ring_part *ended, const struct ring_part *removed)
{
	struct buf *b = &r->lines;

	record_type_open(b, RECORD_ROTATION);
	if (r->source.len)
		json_key(b, NULL);
	buf_mem(b, r->source.data, r->source.len);
	json_key(b, "ts");
	buf_lit(b, "\"");
	clock_format(&r->cache, b, (int64_t)r->wall_ns);
	buf_lit(b, "\"");
	json_number(b, "mono_ns", r->mono_ns);
	put_file(b, "ended", ended);
	if (removed)
		put_file(b, "removed", removed);
	buf_lit(b, "}\n");
	ring_span_add(&r->pending, r->wall_ns, 0);
	r->count++;
}

/* Numbers of another feed would be taken for this one's. */
static void forget_others(const struct ring *r, struct ring_part *part)
{
	if (part->span.feed != r->pending.feed)
		part->span.first_seq = part->span.last_seq = 0;
}

static void put_rotations(struct ring *r)
{
	struct ring_part ended, removed;
	bool ends, said = false;

	if (!r->wall_ns)
		return;
	ends = ring_store_ended(r->store, &ended);
	forget_others(r, &ended);
	while (ring_store_removed(r->store, &removed)) {
		forget_others(r, &removed);
		put_rotation(r, &ended, &removed);
		r->report.dropped++;
		said = true;
	}
	if (!said && ends)
		put_rotation(r, &ended, NULL);
}

/* ---- writing ---- */

static void begin_pending(struct ring *r)
{
	r->report.written += r->count;
	r->count = 0;
	r->since_ns = 0;
	r->pending.first_seq = r->pending.last_seq = 0;
	r->pending.from_ns = r->pending.to_ns = 0;
	buf_clear(&r->lines);
	buf_clear(&r->in_force);
	buf_mem(&r->in_force, r->hello.data, r->hello.len);
	put_rotations(r);
	r->begins = false;
}

/* Small beside a segment, which has room for it. */
static int write_header(struct ring *r)
{
	int err;

	buf_clear(&r->header);
	if (r->begins || !r->in_force.len)
		return 0;
	err = pack_zstd(&r->in_force, &r->header);
	return err ? err : ring_store_write(r->store, &r->header, NULL);
}

static int begin_segment(struct ring *r)
{
	ring_store_finish(r->store);
	return ring_store_begin(r->store, r->pending.from_ns, r->frame.len + r->in_force.len);
}

static int write_frame(struct ring *r)
{
	static const struct buf nothing;
	int err = r->lines.failed || r->in_force.failed ? -ENOMEM : 0;

	buf_clear(&r->frame);
	if (!err)
		err = pack_zstd(&r->lines, &r->frame);
	if (!err && ring_store_is_full(r->store, r->frame.len))
		err = begin_segment(r);
	if (!err && ring_store_is_empty(r->store))
		err = write_header(r);
	if (!err)
		err = ring_store_write(r->store, &r->frame, &r->pending);
	if (!err)
		incidents_frame(r->incidents, &r->frame, &r->pending, r->begins ? &nothing : &r->in_force);
	return err;
}

/* What can never be written is in nobody's way. */
static void drop_pending(struct ring *r)
{
	for (; r->count; r->count--)
		lose(r);
	begin_pending(r);
}

static void fail(struct ring *r, int err, uint64_t now_ns)
{
	if (!r->error) {
		r->lost_since = 0;
		log_error("cannot write to %s: %s; it is tried again twice a second", ring_store_path(r->store),
			  strerror(-err));
	}
	r->error = err;
	r->retry_at = now_ns + RETRY_NS;
	if (err == -ENOMEM || err == -EFBIG)
		drop_pending(r);
}

static void write_pending(struct ring *r, uint64_t now_ns)
{
	int err = write_frame(r);

	if (err) {
		fail(r, err, now_ns);
		return;
	}
	if (r->error)
		log_info("%s is written again; %llu record%s lost", ring_store_path(r->store),
			 (unsigned long long)r->lost_since, r->lost_since == 1 ? " was" : "s were");
	r->error = 0;
	begin_pending(r);
}

void ring_put(struct ring *r, const struct record *record, const char *line, size_t len)
{
	if (record->type == RECORD_HELLO)
		take_hello(r, record, line, len);
	r->mono_ns = record->mono_ns ? record->mono_ns : r->mono_ns;
	r->wall_ns = record->wall_ns ? record->wall_ns : r->wall_ns;
	/* Without a feed's hello its records would be taken for those of the feed before. */
	if (r->error && record->type != RECORD_HELLO && r->lines.len + len > BACKLOG_BYTES) {
		lose(r);
		return;
	}
	if (!r->lines.len)
		r->begins = record->type == RECORD_HELLO;
	buf_mem(&r->lines, line, len);
	buf_lit(&r->lines, "\n");
	ring_span_add(&r->pending, record->wall_ns, record->seq);
	r->count++;
	if (r->lines.len >= PACK_BYTES && !r->error)
		write_pending(r, clock_mono_ns());
}

static uint64_t due_at(const struct ring *r)
{
	uint64_t at = r->lines.len >= PACK_BYTES ? 0 : r->since_ns + PACK_AFTER_NS;

	return !r->count ? NEVER : r->error && r->retry_at > at ? r->retry_at : at;
}

void ring_flush(struct ring *r, uint64_t now_ns, uint64_t *again_at)
{
	if (r->count && !r->since_ns)
		r->since_ns = now_ns;
	if (r->count && now_ns >= due_at(r))
		write_pending(r, now_ns);
	if (r->count && !r->since_ns)
		r->since_ns = now_ns;
	*again_at = incidents_pass(r->incidents, now_ns);
	if (due_at(r) < *again_at)
		*again_at = due_at(r);
}

void ring_strike(struct ring *r, const char *word)
{
	if (r->wall_ns)
		incidents_strike(r->incidents, r->wall_ns, clock_mono_ns(), word);
}

bool ring_close(struct ring *r, struct ring_report *report)
{
	/* Again for what the ring itself has to say of the last write, which may begin a segment, too. */
	for (int i = 0; i < 4 && r->count && !(i && r->error); i++)
		write_pending(r, clock_mono_ns());
	r->report.lost += r->count;
	if (r->count)
		log_error("%llu records are not in %s", (unsigned long long)r->count, ring_store_path(r->store));
	incidents_close(r->incidents, &r->report.incidents, &r->report.strikes);
	*report = r->report;
	ring_store_close(r->store);
	buf_free(&r->lines);
	buf_free(&r->frame);
	buf_free(&r->header);
	buf_free(&r->hello);
	buf_free(&r->in_force);
	buf_free(&r->source);
	free(r);
	return !report->lost;
}
