/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What this process may run short of: descriptors, and memory. */
#ifndef TCPSHAKE_RESOURCES_H
#define TCPSHAKE_RESOURCES_H

#include <stdbool.h>

/* Did it fail for want of descriptors or memory? It may succeed later: nothing is to be concluded from it. */
bool resources_lack(int err);

/* Raise the limit of open descriptors as far as this process may. */
void resources_raise_descriptors(void);

/*
 * Are no more than `kept` descriptors left? Numbers are given from the lowest on: that which would be given next, by
 * a copy of `fd`, is all that is asked, so that it may be said a little late where descriptors were closed in between.
 */
bool resources_descriptors_scarce(int fd, unsigned int kept);

/*
 * From now on large blocks go back to the kernel when they are freed. By itself glibc keeps more and more of them: with
 * the first large one that is freed, its threshold for mmap() grows to that size (mallopt(3), M_MMAP_THRESHOLD).
 */
void resources_return_memory(void);

#endif
