/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A look at listeners' queues: a BPF program that is run over their addresses, in memory that both map. */
#ifndef TCPSHAKE_LOOK_H
#define TCPSHAKE_LOOK_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

struct bpf_object;

struct look {
	int program; /* its descriptor */
	uint64_t *sockets; /* LOOK_BATCH of them */
	struct listener_sample *samples;
};

/* Map the memory that the program of this object uses, which is loaded. 0 or a negative errno. */
int look_open(struct look *l, const struct bpf_object *object);
/* Is the kernel willing to run the program? 0 or a negative errno. */
int look_try(const struct look *l);
/* What look_open() opened, or zeros; `program` is the caller's. */
void look_close(struct look *l);

/*
 * Look at these sockets, by the kernel's addresses. `fn` gets what was found of each that is in the kernel
 * side's table of listeners. 0 or a negative errno.
 */
int look_at(struct look *l, const uint64_t *sockets, size_t count,
	    void (*fn)(void *ctx, const struct listener_sample *sample), void *ctx);

#endif
