/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sockets of a scenario by their names, what the kernel says of each, and how its last call ended. */
#ifndef TCPSHAKE_LAB_SOCKET_H
#define TCPSHAKE_LAB_SOCKET_H

#include "cli/lab/look.h"

struct lab_queue {
	bool known, max_known;
	uint64_t len, max;
};

/* What can be seen of a socket. */
struct lab_view {
	enum lab_state state;
	struct lab_queue accept; /* of a listener */
	bool syn_known;
	unsigned syn;
};

struct lab_outcome {
	bool any; /* there was a call */
	bool running; /* it has not returned */
	long result;
	int error; /* errno, or what SO_ERROR held */
	int value; /* of getsockopt() */
	uint64_t took_ns;
};

struct lab_socket {
	char name[LAB_NAME_SIZE];
	enum lab_place place;
	int family, protocol;
	int fd; /* -1: not made, or closed */
	struct lab_end local, remote; /* as last seen; the port is 0 if there is none */
	struct lab_view view;
	bool changed; /* since it was shown */
	struct lab_outcome last;
};

struct lab_sockets {
	struct lab_socket **list;
	size_t count, room;
};

struct lab_socket *lab_socket_find(const struct lab_sockets *s, const char *name);
/* One of this name, as new: it takes the place of a closed one. NULL if memory is out. */
struct lab_socket *lab_socket_add(struct lab_sockets *s, const char *name, enum lab_place place);
void lab_sockets_free(struct lab_sockets *s);

/* Its addresses, as far as it has any now. */
void lab_socket_note_ends(struct lab_socket *s);
/* See what the kernel holds of it now. */
void lab_socket_see(const struct lab_space *space, struct lab_socket *s, const struct lab_look *look);

#endif
