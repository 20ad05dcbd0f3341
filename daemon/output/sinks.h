/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Everywhere the records go: the output, and the subscribers that the control socket adds. */
#ifndef TCPSHAKE_SINKS_H
#define TCPSHAKE_SINKS_H

#include <event2/event.h>

#include "daemon/output/feed.h"

struct sinks;
struct sink;

/* Called once when a sink's feed has died of `error` (negative errno), from the loop. */
typedef void (*sink_dead_fn)(void *ctx, int error);
/* Called when a file cannot be written (negative errno), and with 0 when all of it is again. */
typedef void (*sink_stuck_fn)(void *ctx, int error);

struct sinks *sinks_new(struct event_base *base);
/* Every feed to come says in each record whose it is: feed_name(). `host` must outlive it. */
void sinks_name(struct sinks *s, const char *host);
/* Closes every feed. NULL-safe. */
void sinks_free(struct sinks *s);

struct output_place {
	const char *path; /* "-": stdout */
	uint64_t max; /* bytes of a file, then comes the next one; 0: any number */
	unsigned keep; /* so many full ones */
};

/*
 * Open the output, whose path is kept: a file is appended to. 0 or a negative errno. `dead` is
 * notified when it can no longer be written, also on an idle host when a pipe's reader goes away;
 * `stuck` of a regular file, which is tried again twice a second. -EINVAL: `max` is for a regular file only.
 */
int sinks_open_output(struct sinks *s, const struct output_place *place, sink_dead_fn dead, sink_stuck_fn stuck,
		      void *ctx);
/* Open the output's path again, after a rotation. Keeps the old file if that fails. */
int sinks_reopen_output(struct sinks *s);

/* Takes over the feed. NULL if memory is out; the feed is freed then. */
struct sink *sinks_add(struct sinks *s, struct feed *feed, sink_dead_fn dead, void *ctx);
void sinks_remove(struct sinks *s, struct sink *sink);
struct feed *sink_feed(struct sink *sink);

/* The output's feed, NULL without one. */
struct feed *sinks_output(struct sinks *s);

/* From now on it wants the stream; the criteria are taken over. */
void sinks_subscribe(const struct sinks *s, struct feed *feed, struct filter *filter);

/*
 * Put a record to every feed that is subscribed; one about a handshake only to those whose
 * filter it matches (`subject`, NULL for other records).
 */
void sinks_put(struct sinks *s, const struct record *r, const struct filter_subject *subject);
/* Tell every feed that is subscribed what the daemon lost: now, or when there is room. */
void sinks_loss(struct sinks *s, int what, enum loss_why why, uint64_t count, const struct record *now);
/* Write everything buffered, as far as readers take it: at the end of each pass. */
void sinks_flush(struct sinks *s);
/* Now and then: give back memory that the feeds do not need. */
void sinks_tidy(struct sinks *s);

/* What the feeds that are gone, of those that were subscribed, had: records and losses. */
void sinks_gone(const struct sinks *s, uint64_t *records, uint64_t *lost);

void sinks_each(struct sinks *s, void (*fn)(void *ctx, struct feed *feed), void *ctx);

/* Before the last record: what a file cannot take now is lost. */
void sinks_give_up(struct sinks *s);
/* Wait for slow readers, at most so long. Then what they have not taken is lost. */
void sinks_finish(struct sinks *s, int timeout_ms);

#endif
