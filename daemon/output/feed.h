/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One reader of the records: its own sequence numbers, its own buffer, its own losses.
 *
 * A feed never blocks the daemon. What a slow reader, or a file that cannot be written, leaves no
 * room for is dropped as whole records, counted by type, and reported in the feed itself as `loss` once
 * there is room again. Everything put is then written or counted as lost.
 *
 * The folder output/ is for who reads records: a file, a pipe, subscribers; it may include records/ and below, and
 * makes no record but `loss`.
 */
#ifndef TCPSHAKE_FEED_H
#define TCPSHAKE_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/filter.h"
#include "common/names.h"
#include "daemon/output/rotation.h"
#include "daemon/records/record.h"
#include "daemon/records/tally.h"

struct feed;

enum feed_kind {
	FEED_FILE, /* a regular file: written at once; whole records only; survives write errors */
	FEED_STREAM, /* a pipe, a terminal: non-blocking */
	FEED_SOCKET, /* a subscriber */
};

/* Takes over `fd`. NULL if memory is out; `fd` is closed then. */
struct feed *feed_new(int fd, enum feed_kind kind);
/* Closes without flushing. NULL-safe. */
void feed_free(struct feed *f);

/*
 * From now on each record says whose it is: the host (`hello` does so anyway) and the feed, eight hex digits that no
 * other feed has, so that with them `seq` names one record of a fleet. 0 or a negative errno.
 */
int feed_name(struct feed *f, const char *host);

int feed_fd(const struct feed *f);
/* From now on write what waits, and all else, to `fd` instead; the old one is closed. Then retry. */
void feed_replace_fd(struct feed *f, int fd, enum feed_kind kind);
/*
 * Of a file: no file may be larger than `rotation` says, which stays the caller's. Where the next record would make it so, another
 * one is begun, and the feed says so with a record. What keeps it from that is an error of writing.
 */
void feed_bound(struct feed *f, struct rotation *rotation);
/* The file ends within a line that is not ours: end it before anything else is written. */
void feed_finish_line(struct feed *f);
/*
 * From now on it wants the stream, with these criteria, which are taken over. `before`: how many of
 * each type others have been offered.
 */
void feed_subscribe(struct feed *f, struct filter *filter, const uint64_t *before);
bool feed_is_subscribed(const struct feed *f);

/* Append one record; the body is what follows `"seq":N,`. */
void feed_put(struct feed *f, const struct record *r);

/* The same of one of the stream: counts what becomes of it, the feed's own filter first. */
void feed_offer(struct feed *f, const struct record *r, const struct filter_subject *subject);

/* What became of all that was put to it. */
void feed_totals(const struct feed *f, struct feed_totals *totals);

/* What is lost besides records: the beginning of an attempt, a change of state, what only causes rest on. */
enum loss_what { LOSS_BEGINNING = RECORD_TYPES, LOSS_TRANSITION, LOSS_EVIDENCE, LOSS_WHATS };

/*
 * The daemon lost something (`what`: enum record_type or loss_what) before any feed could have it. To
 * be reported by feed_report_losses(), in the end even if there is no room now.
 */
void feed_loss(struct feed *f, int what, enum loss_why why, uint64_t count);

/*
 * The same, but whatever waits already: an answer is whole, or who asked would wait for its end. Its
 * length is bounded by what was asked about; ask for no more while the feed is full.
 */
void feed_answer(struct feed *f, const struct record *r);
bool feed_is_full(const struct feed *f);

/*
 * Append `loss` for what was dropped and not reported yet, with the moment of the record `now`: if
 * there is room again, or if that is `bye`, which always fits.
 */
void feed_report_losses(struct feed *f, const struct record *now);

/*
 * Write what is buffered, as far as the reader takes it. 0, or a negative errno after which the
 * feed is dead (-EPIPE…). A file never dies: see feed_write_error().
 */
int feed_flush(struct feed *f);
/* Now and then: give back a large buffer, if a quarter of it would have done since the last time. */
void feed_tidy(struct feed *f);
/* Does it hold records the reader has not taken? Then flush again once its fd is writable. */
bool feed_waits(const struct feed *f);

/*
 * Why the file cannot be written (-ENOSPC, -EDQUOT, -EIO…), 0 if it can. Until feed_retry() has
 * written all that waits, feed_flush() does not try.
 */
int feed_write_error(const struct feed *f);
int feed_retry(struct feed *f);
/*
 * At the end: what waits for a file that cannot be written is lost, and counted, so that the few
 * records that say so may still find room.
 */
void feed_give_up(struct feed *f);

size_t feed_backlog(const struct feed *f); /* bytes that its reader has not taken */
uint64_t feed_taken(const struct feed *f); /* bytes that it has taken; not of a file */
uint64_t feed_records(const struct feed *f); /* appended, `loss` included */
uint64_t feed_lost(const struct feed *f);
uint64_t feed_lost_lately(const struct feed *f); /* since the last write error began */

#endif
