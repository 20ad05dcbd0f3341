// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/kernel/expire.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "common/log.h"

#define BATCH 256

static void delete_keys(int fd, const char *keys, size_t key_size, uint32_t count)
{
	for (uint32_t done = 0, n; done < count; done += n + 1) {
		n = count - done;
		if (bpf_map_delete_batch(fd, keys + done * key_size, &n, NULL) == 0)
			return;
		/* the one after those `n` is gone already */
	}
}

/* In batches: a flood of SYNs fills a table, and two or three calls an entry are dear. */
void expire(int fd, size_t key_size, size_t value_size,
	    bool (*expired)(const void *value, uint64_t now_ns), uint64_t now_ns)
{
	char values[BATCH * EXPIRE_VALUE_MAX] __attribute__((aligned(8)));
	char keys[BATCH * EXPIRE_KEY_MAX] __attribute__((aligned(8)));
	uint32_t place, count, dead;
	int err = 0;

	if (key_size > EXPIRE_KEY_MAX || value_size > EXPIRE_VALUE_MAX)
		return;
	for (void *from = NULL; !err; from = &place) {
		count = BATCH;
		err = bpf_map_lookup_batch(fd, from, &place, keys, values, &count, NULL);
		if (err && err != -ENOENT) { /* -ENOENT: these are the last */
			log_debug("cannot look for what has expired: %s", strerror(-err));
			return;
		}
		dead = 0;
		for (uint32_t i = 0; i < count; i++)
			if (expired(values + i * value_size, now_ns))
				memmove(keys + dead++ * key_size, keys + i * key_size, key_size);
		delete_keys(fd, keys, key_size, dead);
	}
}
