// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/host/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cgroup.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "daemon/host/container_lookup.h"
#include "daemon/host/resources.h"

/* Direct-mapped: a collision costs a look-up, nothing else. */
#define CACHE_SIZE 1024
#define FILEID_KERNFS 0xfe /* include/linux/exportfs.h: the handle is the node's 64-bit id */

struct cached {
	uint64_t id; /* 0: empty; ids are never used again */
	struct buf json;
	size_t json_len; /* without the container */
	char *path; /* NULL: not known */
	bool contained;
	uint64_t again_ns; /* when its container may have other names */
};

struct identity {
	int mount_fd; /* of the cgroup2 hierarchy, -1 without one */
	char mount[256];
	struct container_lookup *containers;
	struct cached cache[CACHE_SIZE];
};

struct identity *identity_new(void)
{
	struct identity *identity = calloc(1, sizeof(*identity));

	if (!identity)
		return NULL;
	identity->containers = container_lookup_new("");
	if (!identity->containers) {
		free(identity);
		return NULL;
	}
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
	container_lookup_free(identity->containers);
	if (identity->mount_fd >= 0)
		close(identity->mount_fd);
	free(identity);
}

/*
 * The path of a cgroup below its mount: a cgroup id is the file handle of its directory. 0, or a negative errno
 * if it is gone, is above what is mounted, or CAP_DAC_READ_SEARCH is missing.
 */
static int cgroup_path(const struct identity *identity, uint64_t id, char *path, size_t size)
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
		return -ENOENT;
	memcpy(h.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(identity->mount_fd, &h.handle, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, full, sizeof(full) - 1);
	close(fd);
	if (len < (ssize_t)mount_len || memcmp(full, identity->mount, mount_len) != 0)
		return -EXDEV;
	full[len] = '\0';
	snprintf(path, size, "%s", full[mount_len] ? full + mount_len : "/");
	return 0;
}

static void append_member(struct buf *b, const char *key, const char *value)
{
	if (value && *value)
		json_string(b, key, value);
}

static void append_container(struct buf *b, const struct container *c, const struct container_names *names)
{
	json_object(b, "container");
	json_string(b, "id", c->id);
	append_member(b, "runtime", c->runtime);
	append_member(b, "pod_uid", c->pod_uid);
	if (names) {
		append_member(b, "name", names->name);
		append_member(b, "pod", names->pod);
		append_member(b, "namespace", names->namespace);
	}
	buf_lit(b, "}");
}

/* The JSON again, if there may be other names. */
static void renew(struct identity *identity, struct cached *c)
{
	uint64_t now_ns = c->contained ? clock_mono_ns() : 0;
	const struct container_names *names;
	struct container container;

	if (!c->contained || now_ns < c->again_ns)
		return;
	container_of_path(c->path, &container);
	names = container_lookup(identity->containers, c->path, &container, now_ns, &c->again_ns);
	c->json.len = c->json_len;
	append_container(&c->json, &container, names);
	if (c->json.failed)
		c->id = 0;
}

static void describe(struct cached *c, const struct identity *identity, uint64_t id)
{
	struct buf *b = &c->json;
	struct container container;
	char path[4096];
	int err = cgroup_path(identity, id, path, sizeof(path));
	bool known = !err;

	buf_clear(b);
	free(c->path);
	c->path = known ? strdup(path) : NULL;
	json_object(b, "cgroup");
	json_number(b, "id", id);
	json_string(b, "path", known ? path : NULL);
	buf_lit(b, "}");
	c->json_len = b->len;
	c->contained = c->path && container_of_path(c->path, &container);
	c->again_ns = 0;
	c->id = b->failed || (known && !c->path) || resources_lack(err) ? 0 : id; /* 0: it is asked for again */
}

static struct cached *look_up(struct identity *identity, uint64_t id)
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

const struct container_names *identity_names(struct identity *identity, uint64_t cgroup_id)
{
	struct cached *c = cgroup_id ? look_up(identity, cgroup_id) : NULL;
	struct container container;
	uint64_t again_ns;

	if (!c || !c->contained || !container_of_path(c->path, &container))
		return NULL;
	return container_lookup(identity->containers, c->path, &container, clock_mono_ns(), &again_ns);
}

void identity_hold_names(struct identity *identity, bool hold)
{
	container_lookup_hold(identity->containers, hold);
}

void identity_append_cgroup(struct identity *identity, struct buf *b, uint64_t cgroup_id)
{
	struct cached *c;

	if (!cgroup_id) {
		buf_lit(b, "\"cgroup\":null");
		return;
	}
	c = look_up(identity, cgroup_id);
	renew(identity, c);
	buf_mem(b, c->json.data, c->json.len);
}
