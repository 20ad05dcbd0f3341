/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Views that show what is now: once, or redrawn in place each second on a terminal. They ask a
 * daemon, look themselves, or take the state at the end of a recording. Nothing of the terminal is
 * changed, so nothing has to be restored.
 */
#ifndef TCPSHAKE_LIVE_H
#define TCPSHAKE_LIVE_H

#include "cli/options.h"
#include "cli/feed/parsed_record.h"

#include "common/buf.h"

struct live_ops {
	const char *first; /* an `op` that is asked once, before all others; or NULL */
	const char *question; /* the `op`; NULL: the view looks itself */
	/* See what is now, and how long not to look again. 0, or a negative errno after one line on stderr. */
	int (*look)(void *view, uint64_t *pause_ns);
	unsigned settle_ms; /* what a daemon just started needs to have something to say */
	void (*clear)(void *view); /* an answer follows */
	void (*record)(void *view, const struct record *r, const char *line, size_t len);
	/* At most `rows` lines where that can be; SIZE_MAX: all of it. */
	void (*draw)(void *view, struct buf *b, const struct style *style, size_t rows);
	void (*json)(void *view, struct buf *b); /* the records, a line each */
};

/* The program's exit status. */
enum exit_status live_run(const struct options *o, const struct live_ops *ops, void *view);

/* Make the drawing `text` take the place of one of `before` lines; how many lines it has. */
size_t live_replace(struct buf *b, const struct buf *text, size_t before);

#endif
