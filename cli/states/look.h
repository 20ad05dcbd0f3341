/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One look at the sockets of this host: in every namespace that can be entered, with their owners. */
#ifndef TCPSHAKE_STATES_LOOK_H
#define TCPSHAKE_STATES_LOOK_H

#include "cli/host/namespaces.h"
#include "cli/states/model.h"

/* What it covered, and what it cost. */
struct states_look {
	struct namespaces namespaces;
	size_t processes_hidden; /* whose open files could not be read */
	int owners_error; /* a negative errno: not all open files were looked at */
	uint64_t cost_ns; /* of a CPU */
};

/* Put what is there now in the place of what `s` has. 0, or a negative errno: -ENOTRECOVERABLE of namespaces_visit(). */
int states_look(struct states_look *look, struct states *s, const struct filter *filter);

#endif
