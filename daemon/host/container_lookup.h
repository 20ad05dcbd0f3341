/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The names of containers, remembered: each is looked for when it is first asked for, a few times more until it is found,
 * for its files may be written after its start, and every minute then, for it may be renamed. Looks take a tenth of the
 * time at most.
 */
#ifndef TCPSHAKE_CONTAINER_LOOKUP_H
#define TCPSHAKE_CONTAINER_LOOKUP_H

#include <stdint.h>

#include "daemon/host/container_files.h"

#define CONTAINER_LOOKUP_ROOM 1024 /* containers; one more, and all are forgotten */
#define CONTAINER_LOOKUP_FIRST_NS 250000000ULL /* until the second look; then twice as long each time */
#define CONTAINER_LOOKUP_LAST_NS 64000000000ULL
#define CONTAINER_LOOKUP_BURST_NS 100000000ULL /* how long looks may take at once */
#define CONTAINER_LOOKUP_SHARE 10 /* of all time they may take one part in so many */

struct container_lookup;

/* `root` is where the files are; "" on this host; it has to stay. NULL if memory is out. */
struct container_lookup *container_lookup_new(const char *root);
void container_lookup_free(struct container_lookup *l);

/*
 * The names of the container of a cgroup's path; NULL: there are none, or not yet. Valid until the next call. `again_ns` is
 * when it may know more. What a user's own cgroups (/user.slice) are called says nothing, for any user can make them.
 */
const struct container_names *container_lookup(struct container_lookup *l, const char *path, const struct container *c,
					       uint64_t now_ns, uint64_t *again_ns);

/* While it holds nothing is looked for, so that all answers agree. */
void container_lookup_hold(struct container_lookup *l, bool hold);

#endif
