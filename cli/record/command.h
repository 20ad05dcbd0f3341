/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What --then names: a program that is run beside the recorder, one at a time, and not waited for. */
#ifndef TCPSHAKE_COMMAND_H
#define TCPSHAKE_COMMAND_H

#include <sys/types.h>

struct command {
	pid_t pid; /* of the one that runs, or 0 */
};

/*
 * Run `program`, found as execvp(3) does, with a path and a word as its arguments: no shell. Its standard input is
 * empty, and its standard output is our standard error. What is wrong is said on stderr.
 */
void command_run(struct command *c, const char *program, const char *path, const char *word);
/* Has it ended? One line says so if it failed. */
void command_check(struct command *c);

#endif
