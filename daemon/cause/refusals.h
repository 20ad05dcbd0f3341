/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SYNs that a listener refused between two looks at it, and the unanswered SYNs of clients on this
 * host that may be them. Pure.
 *
 * A look says how many were refused, not whose. That a SYN is among them is proven if every
 * candidate is: if there are as many candidates as refusals, and nobody else can have sent any.
 */
#ifndef TCPSHAKE_REFUSALS_H
#define TCPSHAKE_REFUSALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "daemon/queues/overflow.h"

#define REFUSALS 1024 /* looks that found some; the newest are kept */

struct refusals {
	struct syn_refusals reported;
	uint32_t serial; /* 0: free */
	uint64_t wanted; /* candidates: SYNs known to be unanswered */
	uint64_t claimed; /* of which may be among the refused ones: at most `count` */
	uint64_t open; /* SYNs that may still be unanswered, at the reckoning `open_at` */
	uint32_t open_at;
	bool doubtful; /* candidates of it may be another's */
};

struct refusal_table {
	struct refusals at[REFUSALS];
	uint32_t serial;
};

/* A SYN that was not answered, or may not be. */
struct lone_syn {
	const uint8_t *server_addr;
	uint16_t server_port;
	uint64_t sent_ns, came_ns; /* it was refused between the two, if it was */
};

/* How many of the known network namespaces have the address; of `netns` only, if that is not 0. */
typedef unsigned int (*local_fn)(void *ctx, uint32_t netns, const uint8_t *addr);

typedef bool (*refusal_served_fn)(void *ctx, uint32_t netns);

struct refusals *refusals_add(struct refusal_table *t, const struct syn_refusals *reported);
struct refusals *refusals_get(struct refusal_table *t, uint32_t serial); /* NULL: overwritten */

/* Is this SYN a candidate of that look? `served`: may its server be in that namespace? */
bool refusals_may_have(const struct refusals *r, const struct lone_syn *syn, refusal_served_fn served,
		       void *ctx);

/*
 * Make a SYN a candidate of the look that it belongs to. Returns false if there is none, yet. The
 * serial of the one it may be refused by goes to `claim`, 0 if that has enough of them already.
 */
bool refusals_claim(struct refusal_table *t, const struct lone_syn *syn, refusal_served_fn served,
		    void *ctx, uint32_t *claim);

/* May a listener, or for an unknown reason the kernel, have dropped this SYN? */
bool refusals_doubt(const struct refusal_table *t, const struct lone_syn *syn,
		    refusal_served_fn served, void *ctx);

#endif
