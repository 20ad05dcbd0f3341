/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The words of the records for the numbers of bpf/event.h, and back. */
#ifndef TCPSHAKE_NAMES_H
#define TCPSHAKE_NAMES_H

#include <stddef.h>

extern const char *const role_names[]; /* ROLES */
extern const char *const outcome_names[]; /* OUTCOMES */

/* The index of the `len` bytes at `word` in `names`, or -1. */
int name_index(const char *const *names, int count, const char *word, size_t len);

/* "ECONNREFUSED" for an errno; NULL for one that Linux does not define. */
const char *errno_name(int error);

#endif
