/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where `top` has its records from: live ones as they come, from a daemon that may die and come
 * back; recorded ones at the pace at which they were made, or another.
 *
 * The feed's clock is that of its records (CLOCK_MONOTONIC of the host that made them).
 */
#ifndef TCPSHAKE_TOP_FEED_H
#define TCPSHAKE_TOP_FEED_H

#include "cli/options.h"
#include "cli/feed/parsed_record.h"

enum top_feed_state {
	TOP_FEED_WAITING, /* nothing came yet */
	TOP_FEED_LIVE,
	TOP_FEED_GONE, /* the daemon; each second it is tried again */
	TOP_FEED_REPLAY,
	TOP_FEED_ENDED, /* the recording */
	TOP_FEED_FAILED, /* why is on stderr: a format we do not know; or a daemon of our own that
			    never said hello said it itself */
};

struct top_feed;

struct top_feed_ops {
	void (*record)(void *ctx, const struct record *r, uint64_t now_ns);
	/* What came before is to be forgotten: it comes again. */
	void (*again)(void *ctx);
};

/* NULL after one line on stderr. `options` must outlive it. */
struct top_feed *top_feed_open(const struct options *o, const struct top_feed_ops *ops, void *ctx);

/* To be polled for input; -1 if there is nothing to be. */
int top_feed_fd(const struct top_feed *f);
/* When to call top_feed_run() even without input, in ms; -1: never. */
int top_feed_timeout_ms(const struct top_feed *f);
/* Take what is there and due, for some milliseconds at most. True if records came. */
bool top_feed_run(struct top_feed *f, bool readable);

enum top_feed_state top_feed_state(const struct top_feed *f);
/* The time up to which all records may be taken to have come. */
uint64_t top_feed_now(const struct top_feed *f);
bool top_feed_is_recording(const struct top_feed *f);
const char *top_feed_name(const struct top_feed *f);
/* Lines that were no records, so far. */
uint64_t top_feed_bad(const struct top_feed *f);
/* Why it ended, if that is worth a line; else "". */
const char *top_feed_trouble(const struct top_feed *f);

/* A recording only. */
void top_feed_hold(struct top_feed *f, bool hold);
void top_feed_seek(struct top_feed *f, int seconds);

/* Ends a private daemon and waits for it. */
void top_feed_close(struct top_feed *f);

#endif
