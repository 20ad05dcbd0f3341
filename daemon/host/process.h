/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which process a number means now. A number is given again; with the time when the process began, in the ticks
 * in which /proc shows it, it is not.
 */
#ifndef TCPSHAKE_PROCESS_H
#define TCPSHAKE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

struct process_state {
	uint32_t start; /* by CLOCK_BOOTTIME, in PROCESS_TICK_NS; its low bits */
	char comm[COMM_LEN]; /* as /proc/PID/stat has it: a newline and a backslash are escaped, and it may be cut then */
};

/* The text of /proc/PID/stat. False if it is no such, and `state` stays as it was. */
bool process_parse_stat(const char *text, struct process_state *state);

/* A file of /proc, up to `size` - 1 bytes of it, NUL-terminated. 0 or a negative errno. */
int process_read_text(int dir, const char *name, char *text, size_t size);

/* When the process whose directory in /proc is open as `dir` began. 0 or a negative errno. */
int process_read_start(int dir, uint32_t *start);

/* The process of that number. 0 or a negative errno: -ENOENT or -ESRCH if there is none. */
int process_read(uint32_t pid, struct process_state *state);

#endif
