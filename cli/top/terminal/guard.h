/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A process that outlives the one that draws on the terminal: killed in whatever way, the terminal is
 * put back as it was. It passes signals on, and stops and goes on together with the other.
 */
#ifndef TCPSHAKE_TOP_GUARD_H
#define TCPSHAKE_TOP_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* Can standard output be drawn on? If not, one line in `why`. */
bool top_guard_can_draw(char *why, size_t size);

/* Run `work` in a child, guarded, and return what it returned; 1 if it was killed. */
int top_guard_run(int (*work)(void *ctx), void *ctx);

#endif
