/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How many descriptors a process has open, of how many that it may: at its limit accept() fails with EMFILE. */
#ifndef TCPSHAKE_OPEN_FILES_H
#define TCPSHAKE_OPEN_FILES_H

#include <stdbool.h>
#include <stdint.h>

/* Beyond it nobody counts: reading so long a directory would keep the daemon from its events. */
#define OPEN_FILES_COUNTED 65536

struct open_files {
	uint32_t used, limit;
	uint64_t seen_ns; /* CLOCK_MONOTONIC */
};

/* The soft limit in the text of /proc/PID/limits; UINT32_MAX: none. False if it is not in there. */
bool open_files_parse_limit(const char *limits, uint32_t *limit);

/*
 * Those of a process, but for `seen_ns`. `root` is where procfs is mounted. 0 or a negative errno: -EFBIG if there are more
 * than OPEN_FILES_COUNTED, and the kernel does not count them (before 6.2).
 */
int open_files_read(const char *root, uint32_t pid, struct open_files *files);

/* Is there no descriptor left? */
static inline bool open_files_exhausted(const struct open_files *files)
{
	return files->used >= files->limit;
}

#endif
