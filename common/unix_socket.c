// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A socket of another type finds one that is of the wrong type (unix_find_other()), or none. */
bool unix_socket_is_held(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	bool held;
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return false;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	held = connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 && errno == EPROTOTYPE;
	close(fd);
	return held;
}
