/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The daemon's socket, from a client's end. */
#ifndef TCPSHAKE_CONNECT_H
#define TCPSHAKE_CONNECT_H

#include <stdbool.h>
#include <stddef.h>

/* A connection to the daemon, or a negative errno. */
int daemon_connect(const char *path);
/* Nothing serves there; anything else, such as EACCES, is not for us to work around. */
bool daemon_is_absent(int err);
/* One line on stderr about why there is no connection. */
void daemon_complain(const char *path, int err);
/* Send all of it. 0 or a negative errno. */
int daemon_send(int fd, const char *data, size_t len);

#endif
