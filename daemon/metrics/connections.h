/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The connections of the HTTP server: how many, and for how long one may be at a request or an answer. libevent only
 * knows how long a connection is silent, which a client that sends a byte now and then is not.
 */
#ifndef TCPSHAKE_CONNECTIONS_H
#define TCPSHAKE_CONNECTIONS_H

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdbool.h>

#include "daemon/output/limits.h"

struct connections;

struct connections *connections_new(struct event_base *base, struct limits *limits);
/* After the server. NULL-safe. */
void connections_free(struct connections *c);

/*
 * Is there a place for one more? If all 64 are taken, or `scarce`, who has been at a request or an answer for the
 * longest time is closed for it, but not within its first second: false then.
 */
bool connections_make_place(struct connections *c, bool scarce);
/* One more, from now on to be served by libevent. NULL if memory is out. */
struct bufferevent *connections_add(struct connections *c);
/* A request of it is whole; what it writes from now on is the answer. */
void connections_answering(struct connections *c, const struct bufferevent *bev);

#endif
