/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is said on standard error while the terminal is drawn on: ours and that of a daemon of our
 * own. It is kept, shown as a line of the screen, and what was not is printed at the end.
 */
#ifndef TCPSHAKE_TOP_STDERR_H
#define TCPSHAKE_TOP_STDERR_H

#include <stdbool.h>
#include <stddef.h>

/* From now on; 0, or a negative errno. Where standard error is no terminal nothing is done. */
int top_stderr_begin(void);
/* To be polled; -1 if there is nothing to be. */
int top_stderr_fd(void);
/* Take what came; true if there is a new last line. */
bool top_stderr_read(void);
/* The last line, without the program's name; "" if there is none. */
const char *top_stderr_last(void);
/* Standard error is again what it was. With `print` the last lines are written to it. */
void top_stderr_end(bool print);

#endif
