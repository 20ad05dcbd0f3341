/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The file of a Unix socket: does anybody hold it? */
#ifndef TCPSHAKE_UNIX_SOCKET_H
#define TCPSHAKE_UNIX_SOCKET_H

#include <stdbool.h>

/*
 * Is a stream socket bound at `path` that a process still has, whether it listens or not? A daemon that starts has one
 * that does not listen yet; one that was killed left the file only. connect() refuses both alike.
 */
bool unix_socket_is_held(const char *path);

#endif
