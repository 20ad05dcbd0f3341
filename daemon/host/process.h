/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which process a number means now. A number is given again; with the time when the process began, in the ticks
 * in which /proc shows it, it is not.
 */
#ifndef TCPSHAKE_PROCESS_H
#define TCPSHAKE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/proc.h"

/* When the process whose directory in /proc is open as `dir` began. 0 or a negative errno. */
int process_read_start(int dir, uint32_t *start);

/* The process of that number. 0 or a negative errno: -ENOENT or -ESRCH if there is none. */
int process_read(uint32_t pid, struct process_state *state);

/* Has the process ended, or what was looked for with it, by this error? */
bool process_is_gone(int err);

#endif
