/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the running kernel does, asked of its verifier and of its BTF. */
#ifndef TCPSHAKE_KERNEL_H
#define TCPSHAKE_KERNEL_H

#include <stdbool.h>

#include "daemon/kernel/btf_index.h"

/* 0 if atomics return values, or the negative errno of the refusal. */
int kernel_fetch_atomics(void);

/* Can a task be preempted inside the program of a (not classic) tracepoint? */
bool kernel_preempts_tracepoints(const struct btf_index *btf);

/*
 * The number of a classic tracepoint, "sock/inet_sock_set_state", by which perf_event_open() knows it, or a
 * negative errno. tracefs shows it; where that is not mounted it is, for no other process to see.
 */
int kernel_tracepoint(const char *name);

#endif
