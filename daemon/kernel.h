/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the running kernel does, asked of its verifier and of its BTF. */
#ifndef TCPSHAKE_KERNEL_H
#define TCPSHAKE_KERNEL_H

#include <stdbool.h>

#include "btf_index.h"

/* 0 if atomics return values, or the negative errno of the refusal. */
int kernel_fetch_atomics(void);

/* Can a task be preempted inside the program of a (not classic) tracepoint? */
bool kernel_preempts_tracepoints(const struct btf_index *btf);

/* 0 if a classic tracepoint, "sock/inet_sock_set_state", can be attached to, or a negative errno. */
int kernel_classic_tracepoint(const char *name);

#endif
