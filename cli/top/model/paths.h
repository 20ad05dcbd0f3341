/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Paths of cgroups, by number: what is kept of a record has no room for them. Pure. */
#ifndef TCPSHAKE_TOP_PATHS_H
#define TCPSHAKE_TOP_PATHS_H

#include "cli/top/model/key_table.h"

#define TOP_PATHS_MAX 4096

struct top_paths {
	struct keyset table;
	char **texts; /* by number */
};

/* 0, or -ENOMEM; what there is then is for top_paths_free(). */
int top_paths_init(struct top_paths *p);
int top_paths_copy(struct top_paths *to, const struct top_paths *from);
void top_paths_free(struct top_paths *p);

/* TOP_OTHER for NULL, and if there is no room. */
uint16_t top_paths_put(struct top_paths *p, const char *path);
/* NULL for TOP_OTHER. */
const char *top_paths_text(const struct top_paths *p, uint16_t number);
bool top_paths_are_full(const struct top_paths *p);
/* Drop those that are not marked. */
void top_paths_sweep(struct top_paths *p, const bool marked[TOP_PATHS_MAX]);

#endif
