/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Paths of cgroups, by number, and their containers: what is kept of a record has no room for them. Pure. */
#ifndef TCPSHAKE_TOP_PATHS_H
#define TCPSHAKE_TOP_PATHS_H

#include "cli/feed/containers.h"
#include "cli/top/model/key_table.h"

#define TOP_PATHS_MAX 4096

struct top_paths {
	struct keyset table;
	char **texts; /* by number */
	struct containers containers;
	uint32_t container[TOP_PATHS_MAX]; /* by number of a path: its container's; 0: none */
};

/* 0, or -ENOMEM; what there is then is for top_paths_free(). */
int top_paths_init(struct top_paths *p);
int top_paths_copy(struct top_paths *to, const struct top_paths *from);
void top_paths_free(struct top_paths *p);

/* TOP_OTHER for NULL, and if there is no room. */
uint16_t top_paths_put(struct top_paths *p, const char *path);
/* NULL for TOP_OTHER. */
const char *top_paths_text(const struct top_paths *p, uint16_t number);
/* A record of that path names its container; without an ID it names none. */
void top_paths_set_container(struct top_paths *p, uint16_t number, const struct record_container *container);
/* False, and "": it has none. */
bool top_paths_container(const struct top_paths *p, uint16_t number, char *text, size_t size);
/* `*cgroup` becomes that of the newest that is in a container; `*several`: they are not all in the same. */
void top_paths_follow(const struct top_paths *p, uint16_t newer, uint16_t *cgroup, bool *several);
bool top_paths_are_full(const struct top_paths *p);
/* Drop those that are not marked, and containers without a path. */
void top_paths_sweep(struct top_paths *p, const bool marked[TOP_PATHS_MAX]);

#endif
