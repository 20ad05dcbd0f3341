/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Standard output: buffered by the pass, and never a reason to miss a signal. */
#ifndef TCPSHAKE_OUTPUT_H
#define TCPSHAKE_OUTPUT_H

#include <stdbool.h>

#include "common/buf.h"
#include "cli/text/signals.h"

struct output {
	struct buf buf; /* append to it; output_flush() writes and empties it */
	bool closed; /* the reader went away: what is appended is dropped */
};

/*
 * Write all that is buffered. 0, also once the reader is gone; -EINTR when a second request to
 * stop came while the reader did not read; or another negative errno.
 */
int output_flush(struct output *o, struct signals *signals);

/* The same where nothing else is waited for: 0, or -1 after one line on stderr. */
int output_print(struct output *o);

/* Append lines of JSON, the last with or without its newline; on a terminal nothing in them can steer it. */
void output_json(struct output *o, bool terminal, const char *lines, size_t len);

#endif
