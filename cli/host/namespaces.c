// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/host/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/keyset.h"
#include "common/proc.h"

struct tour {
	struct namespaces *n;
	struct keyset known; /* of uint32_t: visited, or tried */
	int home, root; /* open: our namespace, and /proc */
	uint32_t only;
	int (*visit)(void *ctx, uint32_t netns);
	void *ctx;
};

static void count_unseen(struct namespaces *n, int err)
{
	n->unseen++;
	n->error = err;
}

static int enter_and_leave(struct tour *t, int fd, uint32_t netns)
{
	int err;

	if (setns(fd, CLONE_NEWNET) < 0) {
		count_unseen(t->n, -errno);
		return 0;
	}
	err = t->visit(t->ctx, netns);
	if (err)
		count_unseen(t->n, err);
	else
		t->n->seen++;
	return setns(t->home, CLONE_NEWNET) < 0 ? -ENOTRECOVERABLE : 0;
}

/* Is it one to go to, and the first time that it is met? */
static bool is_new(struct tour *t, uint32_t netns)
{
	bool added = false;

	if (!netns || (t->only && netns != t->only))
		return false;
	return keyset_put(&t->known, &netns, &added) != KEYSET_NONE && added;
}

/* By a path that names it: 1 if it names another one by now, or none. */
static int go_to(struct tour *t, const char *path, uint32_t netns)
{
	int fd = openat(t->root, path, O_RDONLY | O_CLOEXEC), err = 1;
	struct stat st;

	if (fd < 0 && errno != ENOENT && errno != ESRCH) {
		count_unseen(t->n, -errno);
		return 0;
	}
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == netns)
		err = enter_and_leave(t, fd, netns);
	if (fd >= 0)
		close(fd);
	return err;
}

static int go_to_process_s(void *ctx, uint32_t pid)
{
	struct tour *t = ctx;
	uint32_t netns = netns_of(t->root, pid);
	char path[32];
	int err;

	if (!netns) {
		t->n->hidden += errno == EACCES || errno == EPERM;
		return 0;
	}
	if (!is_new(t, netns))
		return 0;
	snprintf(path, sizeof(path), "%u/ns/net", pid);
	err = go_to(t, path, netns);
	/* The process has ended: where others are in it, the next one leads there. */
	if (err > 0)
		keyset_remove(&t->known, keyset_find(&t->known, &netns));
	return err < 0 ? err : 0;
}

/* The fifth field of a line of mountinfo: where it is mounted, with \ooo for what would end a word. */
static bool mount_point(const char *line, char *out, size_t size)
{
	size_t used = 0;

	for (int i = 0; i < 4 && line; i++) {
		line = strchr(line, ' ');
		line = line ? line + 1 : NULL;
	}
	for (; line && *line && *line != ' ' && used + 1 < size; used++) {
		unsigned code;

		if (*line == '\\' && sscanf(line + 1, "%3o", &code) == 1) {
			out[used] = (char)code;
			line += 4;
		} else {
			out[used] = *line++;
		}
	}
	out[used] = '\0';
	return used && line && *line == ' ';
}

static int go_to_mounts(struct tour *t)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, path[4096];
	size_t size = 0;
	int err = 0;

	if (!f)
		return -errno;
	while (!err && getline(&line, &size, f) >= 0) {
		uint32_t netns = netns_parse_mount(line);

		if (netns && mount_point(line, path, sizeof(path)) && is_new(t, netns))
			err = go_to(t, path, netns);
		if (err > 0) {
			count_unseen(t->n, -ENOENT); /* another mount hides it */
			err = 0;
		}
	}
	free(line);
	fclose(f);
	return err;
}

static int go_around(struct tour *t, DIR *proc)
{
	int err = 0;

	t->n->home = netns_read_link(t->root, "self/ns/net");
	if (!t->n->home)
		return -errno;
	if (is_new(t, t->n->home)) {
		err = t->visit(t->ctx, t->n->home);
		if (err)
			count_unseen(t->n, err);
		else
			t->n->seen++;
		err = 0;
	}
	if (t->only == t->n->home)
		return 0;
	err = process_each(proc, go_to_process_s, t);
	return err ? err : go_to_mounts(t);
}

int namespaces_visit(struct namespaces *n, uint32_t only, int (*visit)(void *ctx, uint32_t netns), void *ctx)
{
	struct tour t = { .n = n, .known = { .key_size = sizeof(uint32_t) }, .only = only, .visit = visit, .ctx = ctx };
	DIR *proc = opendir("/proc");
	int err;

	*n = (struct namespaces){ 0 };
	if (!proc)
		return -errno;
	t.root = dirfd(proc);
	t.home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	err = t.home < 0 ? -errno : go_around(&t, proc);
	if (t.home >= 0)
		close(t.home);
	closedir(proc);
	keyset_free(&t.known);
	return err;
}
