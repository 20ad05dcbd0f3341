/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What all views share: open the feed, take records from it until it ends or somebody wants it
 * to, and say on stderr what is wrong with it. A plain poll(2) loop, because a recording is a
 * regular file, which epoll(7) and with it libevent do not take.
 */
#ifndef TCPSHAKE_READER_H
#define TCPSHAKE_READER_H

#include "cli/feed/input.h"
#include "cli/text/output.h"

struct reader_ops {
	/* A record that the filter lets pass, and its line without newline. */
	void (*record)(void *view, const struct record *r, const char *line, size_t len);
	/* The terminal has another width; or NULL. */
	void (*resized)(void *view);
	/*
	 * All records that were there have been given, or it is `*again_at` (CLOCK_MONOTONIC; as the
	 * view left it, at first UINT64_MAX). Negative to stop, said on stderr; or NULL.
	 */
	int (*pass)(void *view, uint64_t *again_at);
	bool silent; /* nothing is shown before the end of a recording: how far it is, is worth a line on a terminal */
};

/*
 * Run to the end, flushing `out` after every batch of input. The program's exit status; what
 * is to be said about it is on stderr by then.
 */
enum exit_status reader_run(const struct options *o, struct output *out,
			    const struct reader_ops *ops, void *view,
			    struct input_report *report);

#endif
