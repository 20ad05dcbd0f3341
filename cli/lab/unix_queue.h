/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How full the accept queue of a Unix listener is: only sock_diag(7) says it. */
#ifndef TCPSHAKE_LAB_UNIX_QUEUE_H
#define TCPSHAKE_LAB_UNIX_QUEUE_H

#include "cli/lab/space.h"

/* 0, or a negative errno: this kernel may have no unix_diag. */
int lab_unix_queue(const struct lab_space *s, enum lab_place place, int fd, uint64_t *len, uint64_t *max);

#endif
