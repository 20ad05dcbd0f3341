/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The socket and its clients, as control.c and control_*.c share them. */
#ifndef TCPSHAKE_CONTROL_INTERNAL_H
#define TCPSHAKE_CONTROL_INTERNAL_H

#include "daemon/output/control.h"

struct aside;

struct client {
	struct client *next;
	struct control *control;
	struct sink *sink;
	struct event *readable;
	struct event *turn; /* a timer: its next request is here already */
	struct event *hangup; /* a timer, once it sends no more; NULL before */
	struct event *slow; /* a timer, while part of a request is here */
	struct event *deaf; /* a timer, while an answer waits */
	uint64_t taken; /* of its feed, as that began */
	uint64_t active_ns; /* it came, or its last request did */
	uid_t uid;
	bool waits; /* for what is made aside */
	struct buf in;
};

struct control {
	struct socket_file socket;
	struct event *acceptable;
	struct event *wait; /* a timer: until clients are taken again */
	struct sinks *sinks;
	struct control_handler handler;
	struct client *clients;
	int count;
	struct record answer;
	struct record probe; /* made when somebody asks, and kept */
	struct aside *probing; /* it is being made */
	struct limits limits;
};

void client_free(struct client *client);
/* Count that it reached a limit, and close it. */
void client_close(struct client *client, enum limit limit);

/* The end of the first request that waits, or NULL. */
char *client_request_end(const struct client *client);
/* Has it reached a limit, so that no more can be read of it? */
bool client_is_over(struct client *client, enum limit *limit);
/* Serve one request, if there is one. */
void client_serve(struct client *client);
/* The end of an answer; NULL: the request was served. */
void client_reply_end(struct client *client, const char *error);

/* A place for one more client of this user, if need be another's. */
bool control_make_place(struct control *c, uid_t uid);
/* Before more is answered: who has not read for the longest time goes, until the answers of all are few enough. */
void control_make_room(const struct client *asks);

#endif
