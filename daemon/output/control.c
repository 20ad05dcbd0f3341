// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/output/control.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/output/aside.h"
#include "daemon/output/socket_file.h"

#define MAX_CLIENTS 64
#define MAX_REQUEST (64 * 1024)

struct client {
	struct client *next;
	struct control *control;
	struct sink *sink;
	struct event *readable;
	struct event *turn; /* a timer: its next request is here already */
	struct event *hangup; /* a timer, once it sends no more; NULL before */
	bool waits; /* for what is made aside */
	struct buf in;
};

struct control {
	struct socket_file socket;
	struct event *acceptable;
	struct sinks *sinks;
	struct control_handler handler;
	struct client *clients;
	int count;
	struct record answer;
	struct record probe; /* made when somebody asks, and kept */
	struct aside *probing; /* it is being made */
};

static void client_free(struct client *client)
{
	struct control *c = client->control;
	struct client **p = &c->clients;

	while (*p != client)
		p = &(*p)->next;
	*p = client->next;
	c->count--;
	if (client->readable)
		event_free(client->readable);
	if (client->turn)
		event_free(client->turn);
	if (client->hangup)
		event_free(client->hangup);
	sinks_remove(c->sinks, client->sink);
	buf_free(&client->in);
	free(client);
}

static void on_dead(void *ctx, int error)
{
	log_debug("a subscriber went away: %s", strerror(-error));
	client_free(ctx);
}

static void reply_end(struct client *client, const char *error)
{
	struct control *c = client->control;

	c->handler.end(c->handler.ctx, &c->answer, error);
	feed_answer(sink_feed(client->sink), &c->answer);
}

static void op_subscribe(struct client *client, const cJSON *request)
{
	struct control *c = client->control;
	struct feed *feed = sink_feed(client->sink);
	struct filter filter = {};
	char error[256];

	if (feed_is_subscribed(feed)) {
		reply_end(client, "this connection is subscribed already: open another one");
		return;
	}
	if (filter_set_json(&filter, cJSON_GetObjectItemCaseSensitive(request, "filter"), error,
			    sizeof(error))) {
		filter_free(&filter);
		reply_end(client, error);
		return;
	}
	c->handler.hello(c->handler.ctx, &c->answer, &filter);
	feed_put(feed, &c->answer);
	sinks_subscribe(c->sinks, feed, &filter);
}

static void answer_probe(struct client *client)
{
	struct record *probe = &client->control->probe;

	probe->mono_ns = clock_mono_ns(); /* of losses that are reported before it */
	probe->real_ns = (int64_t)probe->mono_ns + clock_real_offset_ns();
	feed_answer(sink_feed(client->sink), probe);
	reply_end(client, NULL);
}

/* Who asked meanwhile has waited, and goes on with its next request. */
static void on_probed(void *ctx, struct buf *body)
{
	static const struct timeval next_turn = { 0 };
	struct control *c = ctx;

	c->probe.type = RECORD_PROBE;
	c->probe.body = *body;
	*body = (struct buf){};
	aside_free(c->probing);
	c->probing = NULL;
	for (struct client *client = c->clients; client; client = client->next) {
		if (!client->waits)
			continue;
		client->waits = false;
		if (c->probe.body.len)
			answer_probe(client);
		else
			reply_end(client, "out of memory");
		event_add(client->turn, &next_turn);
	}
}

/*
 * What a kernel grants stays as it is. Some of it is found by loading programs, in tenths of a second and more: once,
 * when somebody asks, and not in the loop.
 */
static void op_probe(struct client *client, const cJSON *request)
{
	struct control *c = client->control;
	struct event_base *base = event_get_base(c->acceptable);

	(void)request;
	if (c->probe.body.len) {
		answer_probe(client);
		return;
	}
	if (!c->probing)
		c->probing = aside_start(base, c->handler.probe, c->handler.ctx, on_probed, c);
	client->waits = c->probing;
	if (!c->probing)
		reply_end(client, "there is no process to probe in");
}

static void op_listeners(struct client *client, const cJSON *request)
{
	struct control *c = client->control;

	(void)request;
	c->handler.listeners(c->handler.ctx, sink_feed(client->sink));
	reply_end(client, NULL);
}

static void op_stats(struct client *client, const cJSON *request)
{
	struct control *c = client->control;

	(void)request;
	c->handler.stats(c->handler.ctx, sink_feed(client->sink));
	reply_end(client, NULL);
}

static const struct {
	const char *op;
	void (*run)(struct client *client, const cJSON *request);
} operations[] = {
	{ "subscribe", op_subscribe },
	{ "probe", op_probe },
	{ "stats", op_stats },
	{ "listeners", op_listeners },
};

static void handle_request(struct client *client, const char *line, size_t len)
{
	cJSON *request = cJSON_ParseWithLength(line, len);
	const char *op = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(request, "op"));

	for (size_t i = 0; op && i < sizeof(operations) / sizeof(*operations); i++) {
		if (strcmp(op, operations[i].op) == 0) {
			operations[i].run(client, request);
			cJSON_Delete(request);
			return;
		}
	}
	reply_end(client, !request ? "the request is not JSON: send one object a line" :
			  !op	   ? "the request has no \"op\": try {\"op\":\"subscribe\"}" :
				     "unknown op: this daemon knows subscribe, listeners, stats and probe");
	cJSON_Delete(request);
}

/* The end of the first request that waits, or NULL. */
static char *request_end(const struct client *client)
{
	return client->in.len ? memchr(client->in.data, '\n', client->in.len) : NULL;
}

/* Serve one request, if there is one. 0, or -1 if no more can be read. */
static int serve_one(struct client *client)
{
	const char *newline = request_end(client);

	if (newline) {
		size_t len = (size_t)(newline - client->in.data);

		/* It asks and does not read: what that may cost ends here. */
		if (feed_is_full(sink_feed(client->sink)))
			return -1;
		if (len)
			handle_request(client, client->in.data, len);
		buf_consume(&client->in, len + 1);
	}
	if (request_end(client) || client->in.len <= MAX_REQUEST)
		return 0;
	reply_end(client, "the request is longer than 64 KiB");
	return -1;
}

/* Has it gone altogether? One that only shut down its sending side still reads its subscription. */
static bool has_gone(const struct client *client)
{
	struct pollfd fd = { .fd = feed_fd(sink_feed(client->sink)) };

	return poll(&fd, 1, 0) > 0 && fd.revents & (POLLHUP | POLLERR);
}

static void on_hangup(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	if (has_gone(ctx))
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

/* It sends no more, or must not: let it go, unless it still reads a subscription. */
static void end_requests(struct client *client, bool cut_off)
{
	struct sinks *sinks = client->control->sinks;
	struct feed *feed = sink_feed(client->sink);

	feed_flush(feed);
	if (cut_off || !feed_is_subscribed(feed) || has_gone(client) || watch_hangup(client))
		client_free(client);
	else
		sinks_flush(sinks);
}

/* One request a turn of the loop: whatever a client sends at once, the others come in between. */
static void take_turn(struct client *client)
{
	static const struct timeval next_turn = { 0 };

	if (serve_one(client)) {
		end_requests(client, true);
		return;
	}
	if (client->waits || request_end(client)) {
		event_del(client->readable);
		if (!client->waits)
			event_add(client->turn, &next_turn);
	} else {
		event_add(client->readable, NULL);
	}
	sinks_flush(client->control->sinks);
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
	if (n <= 0) {
		end_requests(client, n < 0);
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
	return client->readable && client->turn ? event_add(client->readable, NULL) : -1;
}

static void on_acceptable(evutil_socket_t listener, short what, void *ctx)
{
	struct control *c = ctx;
	struct client *client;
	struct feed *feed;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	if (fd < 0)
		return;
	client = c->count < MAX_CLIENTS ? calloc(1, sizeof(*client)) : NULL;
	if (!client) {
		log_warning("refused a client of the socket: there are %d already", c->count);
		close(fd);
		return;
	}
	feed = feed_new(fd, FEED_SOCKET);
	client->control = c;
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
	err = socket_file_open(&c->socket, place->path, place->group);
	if (err) {
		free(c);
		return err;
	}
	c->acceptable = event_new(base, c->socket.fd, EV_READ | EV_PERSIST, on_acceptable, c);
	if (!c->acceptable || event_add(c->acceptable, NULL) < 0) {
		control_free(c);
		return -ENOMEM;
	}
	*control = c;
	return 0;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	while (c->clients)
		client_free(c->clients);
	if (c->acceptable)
		event_free(c->acceptable);
	socket_file_close(&c->socket);
	buf_free(&c->answer.body);
	aside_free(c->probing);
	buf_free(&c->probe.body);
	free(c);
}
