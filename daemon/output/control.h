/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The Unix socket: one JSON request a line, answered with records. All but a subscription end
 * with {"type":"end"}.
 */
#ifndef TCPSHAKE_CONTROL_H
#define TCPSHAKE_CONTROL_H

#include <event2/event.h>

#include "daemon/output/limits.h"
#include "daemon/output/sinks.h"
#include "daemon/output/socket_file.h"

struct control;

/*
 * Makes the records that answers consist of, or puts them to `to` itself; `filter` is the subscriber's. `probe` is
 * called once, in a process of its own, with
 * the privileges that the daemon has as it starts.
 */
struct control_handler {
	void (*hello)(void *ctx, struct record *r, const struct filter *filter);
	void (*probe)(void *ctx, struct record *r);
	void (*listeners)(void *ctx, struct feed *to);
	void (*stats)(void *ctx, struct feed *to);
	void (*end)(void *ctx, struct record *r, const char *error); /* NULL: ok */
	void *ctx;
};

struct control_place {
	const char *path;
	gid_t group; /* whose members may use it; GROUP_UNCHANGED: nobody's besides ours */
};

/*
 * Take the place: 0 or a negative errno, as socket_file_open(). Clients cannot connect yet, but see that somebody is
 * there (unix_socket_is_held()).
 */
int control_open(struct control **control, const struct control_place *place, struct event_base *base,
		 struct sinks *sinks, const struct control_handler *handler);
/* Serve there: 0 or a negative errno. */
int control_listen(struct control *c);
/* Have the record made that `probe` asks for, before anybody does. */
void control_probe(struct control *c);
/*
 * At most 64 clients, 64 KiB and 10 s for a request, 30 s in which the reader of an answer takes nothing, 64 MiB of
 * answers that wait: who is over a limit is closed. When all places are taken, the user that has the most gives one back.
 */
const struct limits *control_limits(const struct control *c);
/* Closes all clients, and removes the socket if it is still ours. NULL-safe. Before sinks_free(). */
void control_free(struct control *c);

#endif
