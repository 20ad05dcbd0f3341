/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The records of a daemon of our own, as far as they are of the lab's namespaces. */
#ifndef TCPSHAKE_LAB_WATCH_H
#define TCPSHAKE_LAB_WATCH_H

#include "cli/feed/parsed_record.h"
#include "cli/lab/space.h"
#include "cli/text/signals.h"

struct lab_watch;

struct lab_record {
	struct record record;
	enum lab_place place;
	char *line;
	size_t len;
};

/* Start the daemon, and wait until it watches. NULL after one line on stderr, or if a signal came. */
struct lab_watch *lab_watch_open(struct signals *signals);
/* End the daemon, and wait for it. */
void lab_watch_close(struct lab_watch *w);

/* Forget what came, and from now on keep what is of these namespaces; NULL: nothing. */
void lab_watch_follow(struct lab_watch *w, const struct lab_space *space);
/* To be polled for input. */
int lab_watch_fd(const struct lab_watch *w);
/* Take what is there. 0, or -1 after one line on stderr: the daemon has ended. */
int lab_watch_take(struct lab_watch *w);

size_t lab_watch_count(const struct lab_watch *w);
const struct lab_record *lab_watch_at(const struct lab_watch *w, size_t index);

#endif
