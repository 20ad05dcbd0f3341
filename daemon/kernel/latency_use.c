// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/kernel/latency_use.h"

void latency_use_update(struct latency_use *u, uint64_t count)
{
	u->idle = count == u->count ? u->idle + 1 : 0;
	u->count = count;
}

bool latency_use_ends(const struct latency_use *u, bool listens, uint32_t used, uint32_t room)
{
	if (listens || used < room - room / 4)
		return false;
	return u->idle >= (used >= room ? 1 : LATENCY_IDLE_SWEEPS);
}
