// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/output/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define LINKS 8 /* one after the other */
#define PATH_SIZE 4096
#define MODE 0640

/* Of /proc: it is what a process has open (/dev/stdout leads there), and its text is no path. */
static bool is_of_proc(int link)
{
	struct statfs fs;

	return fstatfs(link, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

static bool is_trusted(int link)
{
	struct stat st;

	return fstat(link, &st) == 0 && S_ISLNK(st.st_mode) && (st.st_uid == 0 || st.st_uid == geteuid());
}

/* What the link says, which is relative to its own directory. 0 or a negative errno. */
static int follow(int link, char *path)
{
	char target[PATH_SIZE], *name = strrchr(path, '/');
	size_t dir = name ? (size_t)(name - path) + 1 : 0;
	ssize_t len = readlinkat(link, "", target, sizeof(target));

	if (len < 0)
		return -errno;
	if (len && target[0] == '/')
		dir = 0;
	if (dir + (size_t)len >= PATH_SIZE)
		return -ENAMETOOLONG;
	memcpy(path + dir, target, (size_t)len);
	path[dir + (size_t)len] = '\0';
	return 0;
}

/* 0: `path` is where it leads, to be opened as `*flags` says now; or a negative errno. */
static int look_at_link(char *path, int *flags)
{
	int link = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), err;

	if (link < 0)
		return -errno;
	if (is_of_proc(link)) {
		*flags &= ~O_NOFOLLOW;
		err = 0;
	} else {
		err = is_trusted(link) ? follow(link, path) : -ELOOP;
	}
	close(link);
	return err;
}

int output_file_open(const char *path, int flags)
{
	char at[PATH_SIZE];
	int err = 0;

	if (strlen(path) >= sizeof(at))
		return -ENAMETOOLONG;
	strcpy(at, path);
	flags |= O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW;
	for (int i = 0; i <= LINKS && !err; i++) {
		int fd = open(at, flags, MODE);

		if (fd >= 0)
			return fd;
		if (errno != ELOOP)
			return -errno;
		err = look_at_link(at, &flags);
	}
	return err ? err : -ELOOP;
}
