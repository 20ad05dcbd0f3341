// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "common/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define ROOT_INODE 1 /* kernfs numbers its nodes from the root on */

int cgroup_open_mount(char *path, size_t size)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	int fd = -1;

	if (!mounts)
		return -1;
	while (fd < 0 && (m = getmntent(mounts))) {
		if (strcmp(m->mnt_type, "cgroup2") != 0 || strlen(m->mnt_dir) >= size)
			continue;
		strcpy(path, m->mnt_dir);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	endmntent(mounts);
	return fd;
}

/* A directory of the hierarchy, or -1; `base` is closed. */
static int open_group(int base, const char *path)
{
	int fd = openat(base, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (base >= 0)
		close(base);
	if (fd >= 0 && (fstatfs(fd, &fs) < 0 || (uint32_t)fs.f_type != CGROUP2_SUPER_MAGIC)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int open_value(const char *value)
{
	char mount[256], relative[4096];
	int fd = open_group(AT_FDCWD, value);

	if (fd >= 0 || *value != '/')
		return fd;
	fd = cgroup_open_mount(mount, sizeof(mount));
	if (fd < 0)
		return -1;
	snprintf(relative, sizeof(relative), "./%s", value);
	return open_group(fd, relative);
}

static bool path_of(int fd, char *path, size_t size)
{
	char link[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, size - 1);
	if (len < 0)
		return false;
	path[len] = '\0';
	return true;
}

/* Count the steps up to the root; `root` is left open there. */
static int climb(int fd, uint32_t *level, int *root)
{
	struct stat st, below = {};
	int up = dup(fd);

	for (*level = 0; up >= 0 && fstat(up, &st) == 0; (*level)++) {
		int next;

		if (st.st_ino == ROOT_INODE) {
			*root = up;
			return 0;
		}
		if (st.st_ino == below.st_ino)
			break; /* the top of what is mounted, and not the root */
		below = st;
		next = open_group(up, ".."); /* closes `up` */
		up = next;
	}
	if (up >= 0)
		close(up);
	return -EXDEV;
}

int cgroup_find(const char *value, struct cgroup_place *place)
{
	char top[4096], path[4096];
	int fd = open_value(value), root = -1, err;
	struct stat st;

	if (fd < 0)
		return -ENOTDIR;
	err = climb(fd, &place->level, &root);
	if (!err && (fstat(fd, &st) < 0 || !path_of(fd, path, sizeof(path)) ||
		     !path_of(root, top, sizeof(top)) || strncmp(path, top, strlen(top)) != 0))
		err = -EXDEV;
	if (!err) {
		place->id = st.st_ino;
		place->path = strdup(strcmp(top, "/") == 0 ? path : path + strlen(top));
		err = place->path ? 0 : -ENOMEM;
	}
	if (root >= 0)
		close(root);
	close(fd);
	return err;
}

#define DEPTH_MAX 64

/* Closes `fd`. */
static int each_in(int fd, int (*fn)(void *ctx, uint64_t id), void *ctx, int depth)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	struct stat st;
	int err;

	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	err = fstat(fd, &st) < 0 ? -errno : fn(ctx, st.st_ino);
	while (!err && depth < DEPTH_MAX && (entry = readdir(dir))) {
		int below;

		if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		below = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (below >= 0) /* else it is gone */
			err = each_in(below, fn, ctx, depth + 1);
	}
	closedir(dir);
	return err;
}

int cgroup_each_below(const char *path, int (*fn)(void *ctx, uint64_t id), void *ctx)
{
	int found = open_value(*path ? path : "/"), fd;

	if (found < 0)
		return -ENOENT;
	fd = openat(found, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(found);
	return fd < 0 ? -errno : each_in(fd, fn, ctx, 0);
}

bool cgroup_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return strncmp(path, top, len) == 0 && (!path[len] || path[len] == '/');
}
