/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which process holds a socket, from /proc/PID/fd. The open files of other users' processes can be seen with
 * CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE.
 */
#ifndef TCPSHAKE_OWNERS_H
#define TCPSHAKE_OWNERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proc.h"

#define FILES_UNKNOWN UINT64_MAX

struct file_owner {
	uint32_t pid;
	struct process_state state;
	uint64_t files, files_limit; /* open ones; FILES_UNKNOWN: there is no limit, or nobody can say */
};

struct owners;

struct owners *owners_new(void); /* NULL if memory is out */
void owners_free(struct owners *o);

/* Look for who holds the socket with this inode number. 0, or -ENOMEM. */
int owners_want(struct owners *o, uint32_t inode);
/* Walk over all open files of this host. 0, or a negative errno: not all were looked at. */
int owners_scan(struct owners *o);
/*
 * The process that holds it: the one that began first, but for process 1, which passes sockets on. NULL: none of those whose
 * open files could be read. Valid until the next owners_want().
 */
const struct file_owner *owners_of(const struct owners *o, uint32_t inode);
/* Processes whose open files could not be read. */
size_t owners_hidden(const struct owners *o);

/* The soft limit in the text of /proc/PID/limits; FILES_UNKNOWN if there is none. Pure. */
uint64_t owners_parse_limit(const char *text);

#endif
