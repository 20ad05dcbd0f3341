// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/kernel/source_internal.h"

#include <bpf/libbpf.h>
#include <inttypes.h>
#include <stdio.h>

/* As the kernel says it itself, which is what a memory cgroup is charged with. False if it does not, or could not be asked. */
static bool map_bytes(int fd, uint64_t *bytes)
{
	char path[64], line[128];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "memlock: %" SCNu64, bytes) == 1;
	if (f)
		fclose(f);
	return found;
}

void source_map_memory(const struct source *s, void (*fn)(void *ctx, const char *map, uint64_t bytes), void *ctx)
{
	const struct bpf_map *map;

	bpf_object__for_each_map(map, s->bpf->obj)
	{
		uint64_t bytes;

		if (map_bytes(bpf_map__fd(map), &bytes))
			fn(ctx, bpf_map__name(map), bytes);
	}
}
