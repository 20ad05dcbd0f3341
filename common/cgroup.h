/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a cgroup of the unified hierarchy (cgroup2) is. */
#ifndef TCPSHAKE_CGROUP_H
#define TCPSHAKE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cgroup_place {
	uint64_t id; /* as the kernel and the records know it */
	uint32_t level; /* how deep it is; 0: the root */
	char *path; /* from the root of the hierarchy, as in the records; "" for the root itself; owned */
};

/* Open the cgroup2 hierarchy as it is mounted here, and say where. An O_PATH descriptor, or -1. */
int cgroup_open_mount(char *path, size_t size);

/*
 * Find a cgroup: by the path of its directory, or by that in the hierarchy ("/system.slice/x.service").
 * 0, or a negative errno: -ENOTDIR if there is none, -EXDEV if the root of the hierarchy cannot be
 * seen from here, as from a cgroup namespace.
 */
int cgroup_find(const char *value, struct cgroup_place *place);

/*
 * Call `fn` with the number of each cgroup below the one of `path` (from the root of the hierarchy), and of itself, until it
 * returns other than 0. 0, or a negative errno.
 */
int cgroup_each_below(const char *path, int (*fn)(void *ctx, uint64_t id), void *ctx);

/* Is the cgroup of `path` the one of `top`, or below it? Both from the root of the hierarchy. */
bool cgroup_below(const char *path, const char *top);

#endif
