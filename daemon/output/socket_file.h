/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A Unix socket at a path, and the file there: made, given to a group, removed while it is still ours. */
#ifndef TCPSHAKE_SOCKET_FILE_H
#define TCPSHAKE_SOCKET_FILE_H

#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>

#define GROUP_UNCHANGED ((gid_t)-1)

struct socket_file {
	int fd; /* does not block */
	struct sockaddr_un addr;
	struct stat made; /* the file that was bound */
};

/*
 * Bind a socket at `path`, mode 0660, owned by us and `group`; its directory is made if it is missing. A file
 * that no process holds is replaced. 0, -EADDRINUSE if another daemon has it, -EPERM if we may not give it to
 * the group, or another negative errno.
 */
int socket_file_open(struct socket_file *s, const char *path, gid_t group);
/* From now on clients can connect. 0 or a negative errno. */
int socket_file_listen(const struct socket_file *s);
/* Remove the file, unless it is another one by now, and close. */
void socket_file_close(struct socket_file *s);

#endif
