// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/notify.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int manager = -1;

int notify_open(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;
	int err;

	if (!len)
		return 0;
	if ((*path != '/' && *path != '@') || len >= sizeof(addr.sun_path))
		return -EINVAL;
	memcpy(addr.sun_path, path, len);
	if (*path == '@')
		addr.sun_path[0] = '\0'; /* of the abstract name space */
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (manager < 0)
		return -errno;
	if (connect(manager, (const struct sockaddr *)&addr, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0)
		return 0;
	err = -errno;
	close(manager);
	manager = -1;
	return err;
}

void notify_send(const char *state)
{
	if (manager >= 0)
		send(manager, state, strlen(state), MSG_NOSIGNAL);
}

/* A process that the service started itself has inherited these: they are for $WATCHDOG_PID. */
static bool is_for_us(void)
{
	const char *pid = getenv("WATCHDOG_PID");

	return !pid || strtol(pid, NULL, 10) == (long)getpid();
}

uint64_t notify_watchdog_ns(void)
{
	const char *text = getenv("WATCHDOG_USEC");
	uint64_t us;
	char *end;

	if (manager < 0 || !text || !is_for_us())
		return 0;
	errno = 0;
	us = strtoull(text, &end, 10);
	return errno || end == text || *end || us > UINT64_MAX / 1000 ? 0 : us * 1000;
}
