// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/cause/exhausted.h"

#include <stddef.h>

#include "common/clock.h"

#define SAME_NS (5 * NSEC_PER_SEC) /* looks further apart say nothing of the time between them */
#define LATE_NS (2 * NSEC_PER_SEC) /* a refusal that is only counted is found at the next look */

static size_t place_of(uint32_t netns, uint16_t port)
{
	return (netns * 2654435761U + port) % EXHAUSTED;
}

void exhausted_add(struct exhausted *x, uint32_t netns, uint16_t port, const struct open_files *files)
{
	typeof(x->at[0]) *at = &x->at[place_of(netns, port)];
	bool same = at->netns == netns && at->port == port && files->seen_ns - at->files.seen_ns <= SAME_NS;

	at->since_ns = same ? at->since_ns : files->seen_ns;
	at->netns = netns;
	at->port = port;
	at->files = *files;
}

void exhausted_find(const struct exhausted *x, struct refusal_evidence *r, uint16_t port, uint64_t from_ns, uint64_t to_ns)
{
	typeof(x->at[0]) *at = &x->at[place_of(r->netns, port)];

	if (r->count && r->code == CODE_ACCEPT_QUEUE_FULL && at->files.limit && at->netns == r->netns && at->port == port &&
	    at->files.seen_ns >= from_ns && at->since_ns <= to_ns + LATE_NS)
		r->open_files = at->files;
}
