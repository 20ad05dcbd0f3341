/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a cgroup's id to its path, its container and what people call that, remembered as the JSON that records carry.
 *
 * The folder host/ is for what /proc and cgroups show of this host; it includes no other folder of the daemon.
 */
#ifndef TCPSHAKE_IDENTITY_H
#define TCPSHAKE_IDENTITY_H

#include <stdint.h>

#include "common/buf.h"
#include "daemon/host/container_files.h"

struct identity;

/* Finds the cgroup2 hierarchy; without one, paths are null. NULL if memory is out. */
struct identity *identity_new(void);
void identity_free(struct identity *identity);

/* Its path from the root of the hierarchy; NULL if that is not known. Valid until the next call. */
const char *identity_cgroup_path(struct identity *identity, uint64_t cgroup_id);

/* What its container is called; NULL if it is in none, or nothing says it. Valid until the next call. */
const struct container_names *identity_names(struct identity *identity, uint64_t cgroup_id);

/* While they are held nobody looks for names: what one scrape shows of them agrees. */
void identity_hold_names(struct identity *identity, bool hold);

/* Append `"cgroup":{"id":…,"path":…}` and, if the path shows it, `,"container":{…}`. */
void identity_append_cgroup(struct identity *identity, struct buf *b, uint64_t cgroup_id);

#endif
