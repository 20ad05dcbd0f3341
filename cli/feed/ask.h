/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Questions to the daemon at its socket, or to a private one where none serves: one line asks, records
 * answer.
 */
#ifndef TCPSHAKE_ASK_H
#define TCPSHAKE_ASK_H

#include "cli/feed/input.h"

struct ask;

/* NULL after one line on stderr, or, if `signals->stops`, because somebody wants us to stop. */
struct ask *ask_open(const struct options *o, struct signals *signals);
/* The feed that the answers are: for its name, its daemon, and whether that was started for us just now. */
const struct input *ask_input(const struct ask *a);

typedef void ask_record(void *ctx, const struct record *r, const char *line, size_t len);

/*
 * Ask ("listeners", "stats") and give each record of the answer but `end` to `take`. 0;
 * -EINTR if somebody wants us to stop; another negative errno after one line on stderr.
 */
int ask_question(struct ask *a, const char *op, ask_record *take, void *ctx);

/*
 * Wait until CLOCK_MONOTONIC is at `until_ns`. 0; -EINTR if somebody wants us to stop or the
 * reader of standard output is gone; 1 if the terminal's size changed; another negative errno
 * after one line on stderr: the daemon has ended.
 */
int ask_wait(struct ask *a, uint64_t until_ns);

/* Ends a private daemon. */
void ask_close(struct ask *a);

#endif
