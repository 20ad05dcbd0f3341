/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A tcpshaked of our own, for as long as we live: its standard output is our feed, or it serves
 * at a socket that only we know. It runs in a session of its own, so that the terminal's Ctrl-C
 * reaches only us and it can drain; should we be killed, the kernel sends it SIGTERM.
 */
#ifndef TCPSHAKE_PRIVATE_H
#define TCPSHAKE_PRIVATE_H

#include <sys/types.h>

#include "cli/options.h"

#include "common/filter.h"

/*
 * Start it with the filter as its flags, and with these limits (--limit; NULL: its own). The read end of its output, or -1 after one line on
 * stderr; `*pid` is to be given to private_wait().
 */
int private_start(const struct filter *filter, const char *events, const char *limits, pid_t *pid);

/*
 * Start it to serve at a socket, which is not there yet when this returns. The read end of its
 * output, where nothing comes but its end; else as above.
 */
int private_serve(char *socket, pid_t *pid);

/*
 * Only let it say what the kernel offers (--probe): the read end of its output, or -1. Without
 * what it has to say on stderr.
 */
int private_probe(pid_t *pid);

/* Wait for its end, kill it if that takes too long. Its wait status, as of waitpid(2). */
int private_wait(pid_t pid);

/*
 * The same, and a line on stderr if it did not end well and has not said why itself: `name` is what it is
 * called there. `stopped`: we asked it to end. What its end makes of our exit status.
 */
enum exit_status private_end(pid_t pid, const char *name, bool stopped);

#endif
