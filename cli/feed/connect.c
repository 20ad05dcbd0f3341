// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/connect.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"

int daemon_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err = 0;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

bool daemon_is_absent(int err)
{
	return err == -ENOENT || err == -ECONNREFUSED || err == -ENOTDIR;
}

/* Who may use it: what the mode and the group of its file say, as far as they can be seen. */
static const char *who_may(const char *path, char *text, size_t size)
{
	const struct group *group;
	struct stat st;

	if (stat(path, &st) < 0)
		return "be root";
	if (!(st.st_mode & S_IWGRP) || st.st_gid == 0)
		return "be root, or start tcpshaked with --socket-group and be in that group";
	group = getgrgid(st.st_gid);
	if (group)
		snprintf(text, size, "be root or in the group %s", group->gr_name);
	else
		snprintf(text, size, "be root or in the group %u", st.st_gid);
	return text;
}

void daemon_complain(const char *path, int err)
{
	char text[128];

	log_error("cannot connect to the daemon at %s: %s; %s", path, strerror(-err),
		  daemon_is_absent(err) ? "start tcpshaked, or leave out --socket" :
		  err == -ETIMEDOUT	? "it starts, and does not come to serve: see its log" :
		  err == -EACCES	? who_may(path, text, sizeof(text)) :
					  "see that it is a tcpshaked's socket");
}

int daemon_send(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}
