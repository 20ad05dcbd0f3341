// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/events/descriptors.h"

#include <stdbool.h>
#include <stddef.h>

#include "common/clock.h"

#define FRESH_NS (100 * 1000000ULL)
#define STALE_NS NSEC_PER_SEC
#define LOOK_REST 100 /* 1 % of a CPU at most */

/* Is what the looks before cost paid for? Asked once for all owners of a listener: else the first left none for the next. */
static bool may_look(const struct descriptors *d)
{
	return clock_mono_ns() >= d->paid_ns;
}

static const struct open_files *descriptors_of(struct descriptors *d, const struct listener_owner *owner, bool look)
{
	typeof(d->at[0]) *at = &d->at[owner->pid % DESCRIPTOR_OWNERS];
	bool same = at->pid == owner->pid && at->start == owner->start;
	uint64_t now_ns = clock_mono_ns(), begin_ns;
	int err;

	if (same && now_ns - at->files.seen_ns <= FRESH_NS)
		return &at->files;
	if (!look)
		return same && now_ns - at->files.seen_ns <= STALE_NS ? &at->files : NULL;
	begin_ns = clock_cpu_ns();
	err = open_files_read("/proc", owner->pid, &at->files);
	at->files.seen_ns = now_ns;
	at->pid = err ? 0 : owner->pid;
	at->start = owner->start;
	d->paid_ns = (d->paid_ns > now_ns ? d->paid_ns : now_ns) + LOOK_REST * (clock_cpu_ns() - begin_ns);
	return err ? NULL : &at->files;
}

const struct open_files *descriptors_of_full(struct descriptors *d, const struct listener *p)
{
	if (!p->sampled || p->sample.accept_len <= p->sample.accept_max || !p->owner_count)
		return NULL;
	return descriptors_of(d, &p->owner[0], may_look(d));
}

const struct open_files *descriptors_exhausted(struct descriptors *d, const struct listener *p)
{
	bool look = may_look(d);

	if (!p->owner_count || p->owners_more)
		return NULL;
	for (uint32_t i = 0; i < p->owner_count; i++) {
		const struct open_files *files = descriptors_of(d, &p->owner[i], look);

		if (!files || !open_files_exhausted(files))
			return NULL;
	}
	return descriptors_of(d, &p->owner[0], look);
}
