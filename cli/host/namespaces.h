/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The network namespaces of this host, and a visit to each: those that a process is in, or that are mounted where this process
 * sees it. To enter another one takes CAP_SYS_ADMIN.
 */
#ifndef TCPSHAKE_NAMESPACES_H
#define TCPSHAKE_NAMESPACES_H

#include <stddef.h>
#include <stdint.h>

struct namespaces {
	uint32_t home; /* ours */
	size_t seen; /* those that were visited */
	size_t unseen; /* those that could not be entered, or whose visit failed */
	int error; /* why, of the last of those: a negative errno */
	size_t hidden; /* processes of which nobody here can see in which namespace they are */
};

/*
 * Call `visit` in each of them, ours first; with `only` only in the one of that number. `visit` returns 0, or a negative errno:
 * then that one counts as unseen. 0; or a negative errno: -ENOTRECOVERABLE if this thread could not come back to ours,
 * where it must not go on.
 */
int namespaces_visit(struct namespaces *n, uint32_t only, int (*visit)(void *ctx, uint32_t netns), void *ctx);

#endif
