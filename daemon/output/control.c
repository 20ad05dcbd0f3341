// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/output/control_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/host/resources.h"
#include "daemon/output/aside.h"

#define REQUEST_TIME_S 10 /* from its first byte to its newline */
#define ANSWER_TIME_S 30 /* in which its reader takes nothing of it */

static void drop_event(struct event *e)
{
	if (e)
		event_free(e);
}

void client_free(struct client *client)
{
	struct control *c = client->control;
	struct client **p = &c->clients;

	while (*p != client)
		p = &(*p)->next;
	*p = client->next;
	c->count--;
	drop_event(client->readable);
	drop_event(client->turn);
	drop_event(client->hangup);
	drop_event(client->slow);
	drop_event(client->deaf);
	sinks_remove(c->sinks, client->sink);
	buf_free(&client->in);
	free(client);
}

void client_close(struct client *client, enum limit limit)
{
	limits_reached(&client->control->limits, limit, clock_mono_ns());
	client_free(client);
}

static void on_dead(void *ctx, int error)
{
	log_debug("a subscriber went away: %s", strerror(-error));
	client_free(ctx);
}

/* Has it gone altogether? One that only shut down its sending side still reads its subscription. */
static bool has_gone(const struct client *client)
{
	struct pollfd fd = { .fd = feed_fd(sink_feed(client->sink)) };

	return poll(&fd, 1, 0) > 0 && fd.revents & (POLLHUP | POLLERR);
}

/* A client that sends no more stays while it reads a subscription, or the rest of an answer. */
static bool has_reason_to_stay(const struct client *client)
{
	const struct feed *feed = sink_feed(client->sink);

	return (feed_is_subscribed(feed) || feed_waits(feed)) && !has_gone(client);
}

static void on_hangup(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	if (!has_reason_to_stay(ctx))
		client_free(ctx);
}

/* No event comes when such a client goes, unless a record is written to it: so look now and then. */
static int watch_hangup(struct client *client)
{
	static const struct timeval often = { .tv_sec = 1 };

	event_del(client->readable);
	client->hangup = event_new(event_get_base(client->readable), -1, EV_PERSIST, on_hangup,
				   client);
	return client->hangup ? event_add(client->hangup, &often) : -1;
}

static void on_slow(evutil_socket_t fd, short what, void *ctx)
{
	struct client *client = ctx;

	(void)fd;
	(void)what;
	client_reply_end(client, "the request did not end within 10 s");
	feed_flush(sink_feed(client->sink));
	client_close(client, LIMIT_REQUEST_TIME);
}

/* Subscribers may read as they like. */
static bool answer_waits(const struct client *client)
{
	const struct feed *feed = sink_feed(client->sink);

	return !feed_is_subscribed(feed) && feed_waits(feed);
}

static void watch_answer(struct client *client)
{
	static const struct timeval limit = { .tv_sec = ANSWER_TIME_S };

	if (!answer_waits(client) || event_pending(client->deaf, EV_TIMEOUT, NULL))
		return;
	client->taken = feed_taken(sink_feed(client->sink));
	event_add(client->deaf, &limit);
}

static void on_deaf(evutil_socket_t fd, short what, void *ctx)
{
	struct client *client = ctx;

	(void)fd;
	(void)what;
	if (answer_waits(client) && client->taken == feed_taken(sink_feed(client->sink)))
		client_close(client, LIMIT_ANSWER_TIME);
	else
		watch_answer(client);
}

static void watch_request(struct client *client)
{
	static const struct timeval limit = { .tv_sec = REQUEST_TIME_S };

	if (client->in.len && !feed_is_subscribed(sink_feed(client->sink)) &&
	    !event_pending(client->slow, EV_TIMEOUT, NULL))
		event_add(client->slow, &limit);
}

/* It sends no more: let it go, unless it still reads. */
static void end_requests(struct client *client)
{
	struct sinks *sinks = client->control->sinks;

	feed_flush(sink_feed(client->sink));
	event_del(client->slow);
	if (!has_reason_to_stay(client) || watch_hangup(client))
		client_free(client);
	else
		sinks_flush(sinks);
}

/* One request a turn of the loop: whatever a client sends at once, the others come in between. */
static void take_turn(struct client *client)
{
	static const struct timeval next_turn = { 0 };
	enum limit limit;

	if (client_is_over(client, &limit)) {
		client_close(client, limit);
		return;
	}
	client_serve(client);
	if (client->waits || client_request_end(client)) {
		event_del(client->readable);
		if (!client->waits)
			event_add(client->turn, &next_turn);
	} else {
		event_add(client->readable, NULL);
		watch_request(client);
	}
	sinks_flush(client->control->sinks);
	watch_answer(client);
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	take_turn(ctx);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct client *client = ctx;
	ssize_t n;

	(void)what;
	if (!buf_reserve(&client->in, 4096)) {
		client_free(client);
		return;
	}
	n = recv(fd, client->in.data + client->in.len, 4096, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		client_free(client);
		return;
	}
	if (n == 0) {
		end_requests(client);
		return;
	}
	client->in.len += (size_t)n;
	take_turn(client);
}

/* 0, or -1: memory is out. */
static int watch_client(struct client *client, int fd)
{
	struct event_base *base = event_get_base(client->control->acceptable);

	client->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, client);
	client->turn = evtimer_new(base, on_turn, client);
	client->slow = evtimer_new(base, on_slow, client);
	client->deaf = evtimer_new(base, on_deaf, client);
	return client->readable && client->turn && client->slow && client->deaf ?
		       event_add(client->readable, NULL) :
		       -1;
}

static uid_t peer_of(int fd)
{
	struct ucred peer = {};
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.uid : 0;
}

static void on_wait_over(evutil_socket_t fd, short what, void *ctx)
{
	struct control *c = ctx;

	(void)fd;
	(void)what;
	event_add(c->acceptable, NULL);
}

/* The kernel keeps who comes until there are descriptors again. */
static void wait_for_descriptors(struct control *c)
{
	static const struct timeval a_moment = { .tv_usec = 100000 };

	limits_reached(&c->limits, LIMIT_DESCRIPTORS, clock_mono_ns());
	event_del(c->acceptable);
	event_add(c->wait, &a_moment);
}

static void on_acceptable(evutil_socket_t listener, short what, void *ctx)
{
	struct control *c = ctx;
	struct client *client;
	struct feed *feed;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	if (fd < 0) {
		if (resources_lack(-errno))
			wait_for_descriptors(c);
		return;
	}
	client = control_make_place(c, peer_of(fd)) ? calloc(1, sizeof(*client)) : NULL;
	if (!client) {
		close(fd);
		return;
	}
	client->uid = peer_of(fd);
	client->active_ns = clock_mono_ns();
	client->control = c;
	feed = feed_new(fd, FEED_SOCKET);
	client->sink = feed ? sinks_add(c->sinks, feed, on_dead, client) : NULL;
	if (!client->sink) {
		free(client);
		return;
	}
	client->next = c->clients;
	c->clients = client;
	c->count++;
	if (watch_client(client, fd))
		client_free(client);
}

int control_open(struct control **control, const struct control_place *place, struct event_base *base,
		 struct sinks *sinks, const struct control_handler *handler)
{
	struct control *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->sinks = sinks;
	c->handler = *handler;
	c->limits = (struct limits){
		.server = "socket",
		.known = 1U << LIMIT_PLACES | 1U << LIMIT_REQUEST_BYTES | 1U << LIMIT_REQUEST_TIME |
			 1U << LIMIT_ANSWER_BYTES | 1U << LIMIT_ANSWER_TIME | 1U << LIMIT_DESCRIPTORS,
	};
	err = socket_file_open(&c->socket, place->path, place->group);
	if (err) {
		free(c);
		return err;
	}
	c->acceptable = event_new(base, c->socket.fd, EV_READ | EV_PERSIST, on_acceptable, c);
	c->wait = evtimer_new(base, on_wait_over, c);
	if (!c->acceptable || !c->wait) {
		control_free(c);
		return -ENOMEM;
	}
	*control = c;
	return 0;
}

int control_listen(struct control *c)
{
	int err = socket_file_listen(&c->socket);

	if (err)
		return err;
	return event_add(c->acceptable, NULL) == 0 ? 0 : -ENOMEM;
}

const struct limits *control_limits(const struct control *c)
{
	return &c->limits;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	while (c->clients)
		client_free(c->clients);
	drop_event(c->acceptable);
	drop_event(c->wait);
	socket_file_close(&c->socket);
	buf_free(&c->answer.body);
	aside_free(c->probing);
	buf_free(&c->probe.body);
	free(c);
}
