/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A feed, for the two halves of it: how it is opened and closed (open.c), and how it is read (input.c). */
#ifndef TCPSHAKE_FEED_INTERNAL_H
#define TCPSHAKE_FEED_INTERNAL_H

#include "cli/feed/input.h"
#include "cli/feed/unpack.h"

#include "common/lines.h"

enum input_kind {
	INPUT_RECORDING,
	INPUT_SOCKET,
	INPUT_PRIVATE, /* a daemon of our own: its standard output */
	INPUT_SERVED, /* a daemon of our own, at a socket that only we know */
};

/* A record that was read and not yet given. */
struct input_next {
	bool any;
	struct record record;
	const char *line; /* in `lines`, which are not filled meanwhile */
	size_t len;
};

struct input {
	const struct input_ops *ops;
	void *ctx;
	struct input_state state;
	struct input_report report;

	enum input_kind kind;
	int fd;
	pid_t pid; /* of a daemon of our own, or 0 */
	int output; /* INPUT_SERVED: the daemon's, where only its end comes; else -1 */
	bool killed;

	struct unpack *unpack; /* of a recording */
	struct lines *lines;
	struct replay replay;
	struct input_next next;
	uint64_t seq; /* of the last record */
	bool drained; /* nothing more is to be read */
	bool busy; /* there is more to be given than there was time for */
};

/* What reads its descriptor, from the beginning. 0, or -ENOMEM. */
int input_begin(struct input *f);
void input_release(struct input *f);

#endif
