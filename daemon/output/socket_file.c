// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/output/socket_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/unix_socket.h"

static void make_parent(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash && slash != dir) {
		*slash = '\0';
		mkdir(dir, 0755); /* if that fails, so does bind(), and says why */
	}
}

/*
 * Another daemon may have its own file at the path by now. The number of ours is not used again meanwhile, for
 * the socket holds its inode until it is closed.
 */
static void remove_own(const struct socket_file *s)
{
	struct stat st;

	if (lstat(s->addr.sun_path, &st) == 0 && st.st_dev == s->made.st_dev && st.st_ino == s->made.st_ino)
		unlink(s->addr.sun_path);
}

/* The group is set before anybody can connect. */
static int set_group(struct socket_file *s, gid_t group)
{
	const char *path = s->addr.sun_path;

	if (lstat(path, &s->made) < 0)
		return -errno;
	return group == GROUP_UNCHANGED || lchown(path, GROUP_UNCHANGED, group) == 0 ? 0 : -errno;
}

static int bind_at(struct socket_file *s, gid_t group)
{
	const struct sockaddr *addr = (const struct sockaddr *)&s->addr;
	struct stat st;
	mode_t mask;
	int err;

	if (lstat(s->addr.sun_path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return -EEXIST; /* somebody's file: not ours to replace */
	if (connect(s->fd, addr, sizeof(s->addr)) == 0 || errno == EAGAIN || unix_socket_is_held(s->addr.sun_path))
		return -EADDRINUSE;
	if (errno == ECONNREFUSED)
		unlink(s->addr.sun_path); /* left behind by a daemon that was killed */
	mask = umask(0117); /* 0660 from the first moment on */
	err = bind(s->fd, addr, sizeof(s->addr)) < 0 ? -errno : 0;
	umask(mask);
	if (err)
		return err;
	err = set_group(s, group);
	if (err)
		remove_own(s);
	return err;
}

int socket_file_open(struct socket_file *s, const char *path, gid_t group)
{
	int err;

	if (strlen(path) >= sizeof(s->addr.sun_path))
		return -ENAMETOOLONG;
	*s = (struct socket_file){ .addr.sun_family = AF_UNIX };
	strcpy(s->addr.sun_path, path);
	make_parent(path);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return -errno;
	err = bind_at(s, group);
	if (err)
		close(s->fd);
	return err;
}

int socket_file_listen(const struct socket_file *s)
{
	return listen(s->fd, 16) == 0 ? 0 : -errno;
}

void socket_file_close(struct socket_file *s)
{
	remove_own(s);
	close(s->fd);
}
