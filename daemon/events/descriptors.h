/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The descriptors of those who own a full queue. They are looked at only where an accept queue is found to be full,
 * again after a tenth of a second, and for 1 % of a CPU at most.
 */
#ifndef TCPSHAKE_DESCRIPTORS_H
#define TCPSHAKE_DESCRIPTORS_H

#include "daemon/host/open_files.h"
#include "daemon/queues/listeners.h"

#define DESCRIPTOR_OWNERS 64 /* by their number; the newest stays */

struct descriptors {
	struct {
		uint32_t pid, start;
		struct open_files files;
	} at[DESCRIPTOR_OWNERS];
	uint64_t paid_ns; /* no look before: what those until now cost is paid for then */
};

/* Those of a listener's main owner, as they were within the last second; NULL: nobody could look, or its queue is not full. */
const struct open_files *descriptors_of_full(struct descriptors *d, const struct listener *p);

/* Has nobody who holds this listener any descriptor left? Then those of the main owner; else NULL. */
const struct open_files *descriptors_exhausted(struct descriptors *d, const struct listener *p);

#endif
