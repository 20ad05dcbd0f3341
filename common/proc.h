/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What /proc lists and says of processes, their open files and their network namespaces. */
#ifndef TCPSHAKE_PROC_H
#define TCPSHAKE_PROC_H

#include <dirent.h>
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

/*
 * Call `fn` with the number of each process, which ascends, until it returns something else than 0: that is returned.
 * `root` is where procfs is mounted. Else 0, or a negative errno.
 */
int process_each(DIR *root, int (*fn)(void *ctx, uint32_t pid), void *ctx);

/* The number in "KIND:[NUMBER]", the target of a link to a socket or a namespace; 0 if it is no such. */
uint64_t process_parse_link(const char *target, const char *kind);

/* That of a link to a network namespace; 0 with errno. */
uint32_t netns_read_link(int at, const char *path);

/*
 * The inode number of the namespace that a process is in: of its leader. `root` is where procfs is mounted, open as a
 * directory. 0 with errno: the process has ended, or may not be looked at.
 */
uint32_t netns_of(int root, uint32_t pid);

/* The namespace that a line of /proc/PID/mountinfo is a mount of; 0: it is another mount. Pure. */
uint32_t netns_parse_mount(const char *line);

#endif
