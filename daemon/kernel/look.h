/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A look at listeners' queues: a BPF program that is run over their addresses, in memory that both map. */
#ifndef TCPSHAKE_LOOK_H
#define TCPSHAKE_LOOK_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "bpf/maps.h"

struct bpf_object;

struct look {
	int program; /* its descriptor */
	struct look_request *requests; /* LOOK_BATCH of them */
	struct listener_sample *samples;
};

/* Map the memory that the program of this object uses, which is loaded. 0 or a negative errno. */
int look_open(struct look *l, const struct bpf_object *object);
/* Is the kernel willing to run the program? 0 or a negative errno. */
int look_try(const struct look *l);
/* What look_open() opened, or zeros; `program` is the caller's. */
void look_close(struct look *l);

/*
 * Look at these listeners. `fn` gets what was found of each, with its place among the requests, but for those that
 * are quiet still, and those that are not in the kernel side's table. 0 or a negative errno.
 */
typedef void look_fn(void *ctx, size_t index, const struct listener_sample *sample);
int look_at(struct look *l, const struct look_request *requests, size_t count, look_fn *fn, void *ctx);

#endif
