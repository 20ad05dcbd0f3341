// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/host/netns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/host/process.h"
#include "daemon/host/resources.h"

struct search {
	int root;
	struct netns_kept *kept;
	size_t count, missing;
};

bool netns_holds(const char *root, uint32_t pid, uint32_t netns)
{
	char path[128];
	uint32_t now;

	snprintf(path, sizeof(path), "%s/%u/ns/net", root, pid);
	now = netns_read_link(AT_FDCWD, path);
	return now == netns || (!now && !process_is_gone(-errno));
}

static int by_netns(const void *key, const void *element)
{
	const uint32_t netns = *(const uint32_t *)key;
	const struct netns_kept *k = element;

	return (netns > k->netns) - (netns < k->netns);
}

/* If it is one of those, and nothing keeps it yet. */
static struct netns_kept *find_missing(const struct search *s, uint32_t netns)
{
	struct netns_kept *k = netns ? bsearch(&netns, s->kept, s->count, sizeof(*k), by_netns) : NULL;

	return k && !k->pid && !k->mounted ? k : NULL;
}

static int find_mounts(struct search *s)
{
	int fd = openat(s->root, "self/mountinfo", O_RDONLY | O_CLOEXEC), err = 0;
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	char *line = NULL;
	size_t size = 0;

	if (!f) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (s->missing && getline(&line, &size, f) >= 0) {
		struct netns_kept *k = find_missing(s, netns_parse_mount(line));

		if (k && !k->inside) {
			k->mounted = true;
			s->missing--;
		}
	}
	if (ferror(f))
		err = -EIO;
	free(line);
	fclose(f);
	return err;
}

/* Not 0: no further one is to be asked. */
static int ask_process(void *ctx, uint32_t pid)
{
	struct search *s = ctx;
	uint32_t netns = netns_of(s->root, pid);
	struct netns_kept *k = find_missing(s, netns);

	if (!netns && resources_lack(-errno))
		return -errno;
	if (k) {
		k->pid = pid;
		s->missing--;
	}
	return !s->missing;
}

int netns_find(const char *root, struct netns_kept *kept, size_t count)
{
	struct search s = { .kept = kept, .count = count, .missing = count };
	DIR *dir = opendir(root);
	int err;

	if (!dir)
		return -errno;
	s.root = dirfd(dir);
	err = find_mounts(&s);
	if (!err && s.missing)
		err = process_each(dir, ask_process, &s);
	closedir(dir);
	return err < 0 ? err : 0;
}
