/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the daemon may do once its programs are attached: a few capabilities, and the system calls of calls.h. Of all
 * threads: there is one by then.
 */
#ifndef TCPSHAKE_PRIVILEGE_H
#define TCPSHAKE_PRIVILEGE_H

#include "daemon/privilege/calls.h"

/* Does the kernel side answer, with the capabilities that are in effect now? */
typedef bool (*privilege_works_fn)(void *ctx);

/*
 * For good. What the kernel or a container does not let it give up, or filter, is said on standard error, once; the
 * daemon goes on.
 */
void privilege_drop(const struct calls_wanted *wanted, privilege_works_fn works, void *ctx);

#endif
