// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/host/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cgroup.h"
#include "common/log.h"
#include "daemon/host/container.h"

/* Direct-mapped: a collision costs a look-up, nothing else. */
#define CACHE_SIZE 1024
#define FILEID_KERNFS 0xfe /* include/linux/exportfs.h: the handle is the node's 64-bit id */

struct cached {
	uint64_t id; /* 0: empty; ids are never used again */
	struct buf json;
	char *path; /* NULL: not known */
};

struct identity {
	int mount_fd; /* of the cgroup2 hierarchy, -1 without one */
	char mount[256];
	struct cached cache[CACHE_SIZE];
};

struct identity *identity_new(void)
{
	struct identity *identity = calloc(1, sizeof(*identity));

	if (!identity)
		return NULL;
	identity->mount_fd = cgroup_open_mount(identity->mount, sizeof(identity->mount));
	if (identity->mount_fd < 0)
		log_warning("no cgroup2 hierarchy is mounted: cgroup paths and containers will be "
			    "null; mount one with: mount -t cgroup2 cgroup2 DIR");
	return identity;
}

void identity_free(struct identity *identity)
{
	if (!identity)
		return;
	for (size_t i = 0; i < CACHE_SIZE; i++) {
		buf_free(&identity->cache[i].json);
		free(identity->cache[i].path);
	}
	if (identity->mount_fd >= 0)
		close(identity->mount_fd);
	free(identity);
}

/*
 * The path of a cgroup below its mount: a cgroup id is the file handle of its directory. False
 * if it is gone, is above what is mounted, or CAP_DAC_READ_SEARCH is missing.
 */
static bool cgroup_path(const struct identity *identity, uint64_t id, char *path, size_t size)
{
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + sizeof(id)];
	} h = { .handle = { .handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS } };
	size_t mount_len = strlen(identity->mount);
	char link[64], full[4096];
	ssize_t len;
	int fd;

	if (identity->mount_fd < 0)
		return false;
	memcpy(h.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(identity->mount_fd, &h.handle, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, full, sizeof(full) - 1);
	close(fd);
	if (len < (ssize_t)mount_len || memcmp(full, identity->mount, mount_len) != 0)
		return false;
	full[len] = '\0';
	snprintf(path, size, "%s", full[mount_len] ? full + mount_len : "/");
	return true;
}

static void append_container(struct buf *b, const char *path)
{
	struct container c;

	if (!container_of_path(path, &c))
		return;
	buf_lit(b, ",\"container\":{\"id\":");
	buf_json_str(b, c.id, sizeof(c.id));
	if (c.runtime) {
		buf_lit(b, ",\"runtime\":");
		buf_json_str(b, c.runtime, SIZE_MAX);
	}
	if (c.pod_uid[0]) {
		buf_lit(b, ",\"pod_uid\":");
		buf_json_str(b, c.pod_uid, sizeof(c.pod_uid));
	}
	buf_lit(b, "}");
}

static void describe(struct cached *c, const struct identity *identity, uint64_t id)
{
	struct buf *b = &c->json;
	char path[4096];
	bool known = cgroup_path(identity, id, path, sizeof(path));

	buf_clear(b);
	free(c->path);
	c->path = known ? strdup(path) : NULL;
	buf_lit(b, "\"cgroup\":{\"id\":");
	buf_u64(b, id);
	buf_lit(b, ",\"path\":");
	if (known)
		buf_json_str(b, path, sizeof(path));
	else
		buf_lit(b, "null");
	buf_lit(b, "}");
	if (known)
		append_container(b, path);
	c->id = b->failed || (known && !c->path) ? 0 : id;
}

static const struct cached *look_up(struct identity *identity, uint64_t id)
{
	struct cached *c = &identity->cache[id % CACHE_SIZE];

	if (c->id != id)
		describe(c, identity, id);
	return c;
}

const char *identity_cgroup_path(struct identity *identity, uint64_t cgroup_id)
{
	return cgroup_id ? look_up(identity, cgroup_id)->path : NULL;
}

void identity_append_cgroup(struct identity *identity, struct buf *b, uint64_t cgroup_id)
{
	const struct cached *c;

	if (!cgroup_id) {
		buf_lit(b, "\"cgroup\":null");
		return;
	}
	c = look_up(identity, cgroup_id);
	buf_mem(b, c->json.data, c->json.len);
}
