/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A feed that is followed for as long as somebody looks: live records as they come, from a daemon that may
 * die and come back; recorded ones at the pace at which they were made, or another, back and forth.
 *
 * Its clock is that of its records (CLOCK_MONOTONIC of the host that made them).
 */
#ifndef TCPSHAKE_FOLLOW_H
#define TCPSHAKE_FOLLOW_H

#include "cli/feed/input.h"

enum follow_state {
	FOLLOW_WAITING, /* nothing came yet */
	FOLLOW_LIVE,
	FOLLOW_GONE, /* the daemon; each second it is tried again */
	FOLLOW_REPLAY,
	FOLLOW_ENDED, /* the recording */
	FOLLOW_FAILED, /* why is on stderr: a format we do not know; or a daemon of our own that
			  never said hello said it itself */
};

struct follow;

struct follow_ops {
	void (*record)(void *ctx, const struct record *r, uint64_t now_ns);
	/* What came before is to be forgotten: it comes again. */
	void (*again)(void *ctx);
	/* Something is written to standard error next; or NULL. */
	void (*logs)(void *ctx);
};

/* NULL after one line on stderr. `options` must outlive it. */
struct follow *follow_open(const struct options *o, const struct follow_ops *ops, void *ctx);

/* To be polled for input; -1 if there is nothing to be. */
int follow_fd(const struct follow *f);
/* When to call follow_run() even without input, in ms; -1: never. */
int follow_timeout_ms(const struct follow *f);
/* Take what is there and due, for some milliseconds at most. True if records came. */
bool follow_run(struct follow *f, bool readable);

enum follow_state follow_state(const struct follow *f);
/* The time up to which all records may be taken to have come. */
uint64_t follow_now(const struct follow *f);
bool follow_is_recording(const struct follow *f);
/* How much of a recording was read, in percent (input_share()), and its records. */
uint64_t follow_share(const struct follow *f, uint64_t *records);
const char *follow_name(const struct follow *f);
/* Why it ended, if that is worth a line; else "". */
const char *follow_trouble(const struct follow *f);

/* A recording only. */
void follow_hold(struct follow *f, bool hold);
void follow_seek(struct follow *f, int seconds);

/* Ends a private daemon and waits for it. */
void follow_close(struct follow *f);

#endif
