// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/host/ports.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "cli/host/sockets.h"

#include "common/buf.h"

static int compare(const void *a_use, const void *b_use)
{
	const struct port_use *a = a_use, *b = b_use;
	int order = memcmp(a->local, b->local, sizeof(a->local));

	if (!order)
		order = memcmp(a->remote, b->remote, sizeof(a->remote));
	if (!order)
		order = (int)a->remote_port - (int)b->remote_port;
	return order ? order : (int)a->local_port - (int)b->local_port;
}

static bool same_way(const struct port_use *a, const struct port_use *b)
{
	return memcmp(a->local, b->local, sizeof(a->local)) == 0 &&
	       memcmp(a->remote, b->remote, sizeof(a->remote)) == 0 &&
	       a->remote_port == b->remote_port;
}

void ports_sum(struct port_use *uses, size_t count, uint16_t low, uint16_t high,
	       struct ports_summary *sum)
{
	uint8_t seen[8192] = { 0 };
	uint64_t towards = 0;

	*sum = (struct ports_summary){ 0 };
	qsort(uses, count, sizeof(*uses), compare);
	for (size_t i = 0; i < count; i++) {
		const struct port_use *use = &uses[i];
		uint8_t bit = (uint8_t)(1u << (use->local_port & 7));

		if (i && !same_way(use, &uses[i - 1]))
			towards = 0;
		if (use->local_port < low || use->local_port > high)
			continue;
		sum->ports += !(seen[use->local_port >> 3] & bit);
		seen[use->local_port >> 3] |= bit;
		/* Twice in the same way: one of them is on its way out. */
		if (towards && use->local_port == uses[i - 1].local_port)
			continue;
		if (++towards > sum->busiest) {
			sum->busiest = towards;
			sum->towards = *use;
		}
	}
}

static void take(void *ctx, const struct socket_seen *s)
{
	struct port_use use = { .local_port = s->local_port, .remote_port = s->remote_port };

	memcpy(use.local, s->local, sizeof(use.local));
	memcpy(use.remote, s->remote, sizeof(use.remote));
	buf_mem(ctx, &use, sizeof(use));
}

int ports_look(uint16_t low, uint16_t high, struct ports_summary *sum)
{
	struct buf uses = { 0 };
	int err = sockets_each(SOCKETS_ALL & ~(1U << TCP_LISTEN), SOCKETS_BRIEF, take, &uses);

	if (!err && uses.failed)
		err = -ENOMEM;
	if (!err) {
		/* Nothing was appended: there is no array, and qsort() may not be given NULL. */
		buf_reserve(&uses, 1);
		ports_sum((struct port_use *)(void *)uses.data, uses.len / sizeof(struct port_use),
			  low, high, sum);
	}
	buf_free(&uses);
	return err;
}
