/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of the model share. */
#ifndef TCPSHAKE_STATES_MODEL_INTERNAL_H
#define TCPSHAKE_STATES_MODEL_INTERNAL_H

#include "cli/states/model.h"

#include "common/buf.h"
#include "common/keyset.h"

#define ONLY_IPV6 1 /* as the remote port of a listener's key, which has none otherwise */

/* A socket, where it is, and whether the filter wants it: what it does not want takes a port, too. */
struct placed {
	struct socket_seen seen;
	uint32_t place;
	bool wanted;
};

struct states {
	const struct filter *filter;
	struct buf places; /* of struct states_netns */
	struct buf sockets; /* of struct placed */
	struct keyset listeners; /* of struct states_key */
	struct keyset cgroups; /* of uint64_t */
	struct keyset keys; /* the same: of the groups */
	struct buf groups; /* of struct states_group, by their number in `keys` */
	struct buf order; /* of size_t: their numbers, sorted */
	struct buf taken; /* of struct port_taken */
	bool failed;
};

struct states_netns *states_place(const struct states *s, size_t i);
size_t states_sockets(const struct states *s);
const struct placed *states_socket(const struct states *s, size_t i);
struct states_group *states_group_at(const struct states *s, size_t number);

#endif
