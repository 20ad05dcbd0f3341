/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What people call a container: from the files that kubelets and runtimes keep, of which it reads so much at most. */
#ifndef TCPSHAKE_CONTAINER_NAMES_H
#define TCPSHAKE_CONTAINER_NAMES_H

#include "daemon/host/container_files.h"

#define CONTAINER_NAMES_ENTRIES 8192 /* of a directory */
#define CONTAINER_NAMES_BYTES (512 << 10) /* of a file */

/*
 * `root` is where the files are; "" on this host. 0: `names` has what there is, perhaps nothing. -EAGAIN: descriptors or
 * memory lack.
 */
int container_names_find(const char *root, const struct container *c, struct container_names *names);

#endif
