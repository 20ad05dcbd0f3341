/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which network namespace a process is in, and whether a namespace still has a process or a mount that keeps it. */
#ifndef TCPSHAKE_NETNS_H
#define TCPSHAKE_NETNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proc.h"

/* Is the process in that namespace? Also true if nobody can know: false if it ended, or is in another one. */
bool netns_holds(const char *root, uint32_t pid, uint32_t netns);

/* A namespace, and who keeps it. */
struct netns_kept {
	uint32_t netns;
	bool inside; /* only a process in it is of use: a mount is not looked for */
	uint32_t pid; /* a process in it; 0: nobody found one */
	bool mounted; /* where this process can see it */
};

/*
 * Find who keeps these namespaces, which are sorted by their number: mounts first, then, for the others, one walk
 * over all processes. What keeps a namespace otherwise (a descriptor, a socket, a thread whose leader is elsewhere, a
 * mount in another mount namespace, a process that may not be looked at) is not found. `root` is where procfs is mounted.
 *
 * 0, or a negative errno: it could not be finished, and nothing is known of those for which nothing was found.
 */
int netns_find(const char *root, struct netns_kept *kept, size_t count);

#endif
