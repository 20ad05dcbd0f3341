// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/kernel/source_internal.h"

#include <bpf/libbpf.h>
#include <inttypes.h>
#include <stdio.h>

/* As the kernel says it itself, which is what a memory cgroup is charged with: 0 if it does not. */
static uint64_t map_bytes(int fd)
{
	char path[64], line[128];
	uint64_t bytes = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %" SCNu64, &bytes) == 1)
			break;
	if (f)
		fclose(f);
	return bytes;
}

void source_map_memory(const struct source *s, void (*fn)(void *ctx, const char *map, uint64_t bytes), void *ctx)
{
	const struct bpf_map *map;

	bpf_object__for_each_map(map, s->bpf->obj)
		fn(ctx, bpf_map__name(map), map_bytes(bpf_map__fd(map)));
}
