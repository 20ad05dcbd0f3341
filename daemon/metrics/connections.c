// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/metrics/connections.h"

#include <event2/buffer.h>
#include <stdlib.h>

#include "common/clock.h"

#define PLACES 64
#define TIME_S 10 /* for a request, and for its answer */
#define GRACE_NS NSEC_PER_SEC

struct connection {
	struct connection *next;
	struct connections *all;
	struct bufferevent *bev; /* libevent's and ours: it stays until both have let go */
	struct event *deadline;
	uint64_t since_ns; /* it is at this request, or at this answer */
	bool answering;
};

struct connections {
	struct event_base *base;
	struct limits *limits;
	struct connection *first;
	int count;
};

struct connections *connections_new(struct event_base *base, struct limits *limits)
{
	struct connections *c = calloc(1, sizeof(*c));

	if (c) {
		c->base = base;
		c->limits = limits;
	}
	return c;
}

static void forget(struct connection *one)
{
	struct connection **p = &one->all->first;

	while (*p != one)
		p = &(*p)->next;
	*p = one->next;
	one->all->count--;
	if (one->deadline)
		event_free(one->deadline);
	bufferevent_decref(one->bev);
	free(one);
}

void connections_free(struct connections *c)
{
	if (!c)
		return;
	while (c->first)
		forget(c->first);
	free(c);
}

/* libevent takes its callbacks away when it lets go of one. */
static bool is_over(const struct connection *one)
{
	bufferevent_event_cb callback;

	bufferevent_getcb(one->bev, NULL, NULL, &callback, NULL);
	return !callback;
}

static void forget_those_that_are_over(struct connections *c)
{
	struct connection *next;

	for (struct connection *one = c->first; one; one = next) {
		next = one->next;
		if (is_over(one))
			forget(one);
	}
}

/* As libevent itself closes one that is silent. */
static void close_for(struct connection *one, enum limit limit)
{
	limits_reached(one->all->limits, limit, clock_mono_ns());
	bufferevent_trigger_event(one->bev, BEV_EVENT_TIMEOUT | BEV_EVENT_READING, 0);
	forget(one);
}

static void begin(struct connection *one, bool answering)
{
	static const struct timeval limit = { .tv_sec = TIME_S };

	one->answering = answering;
	one->since_ns = clock_mono_ns();
	event_add(one->deadline, &limit);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	struct connection *one = ctx;

	(void)fd;
	(void)what;
	if (is_over(one))
		forget(one);
	else if (one->answering && !evbuffer_get_length(bufferevent_get_output(one->bev)))
		begin(one, false); /* it has all of its answer, and is at another request */
	else
		close_for(one, one->answering ? LIMIT_ANSWER_TIME : LIMIT_REQUEST_TIME);
}

bool connections_make_place(struct connections *c, bool scarce)
{
	struct connection *oldest;

	forget_those_that_are_over(c);
	oldest = c->first;
	if (c->count < PLACES && !scarce)
		return true;
	for (struct connection *one = c->first; one; one = one->next)
		if (one->since_ns < oldest->since_ns)
			oldest = one;
	if (!oldest || clock_mono_ns() - oldest->since_ns < GRACE_NS)
		return false;
	close_for(oldest, LIMIT_PLACES);
	return true;
}

struct bufferevent *connections_add(struct connections *c)
{
	struct connection *one = calloc(1, sizeof(*one));

	if (!one)
		return NULL;
	one->bev = bufferevent_socket_new(c->base, -1, 0);
	one->deadline = one->bev ? evtimer_new(c->base, on_deadline, one) : NULL;
	if (!one->deadline) {
		if (one->bev)
			bufferevent_free(one->bev);
		free(one);
		return NULL;
	}
	bufferevent_incref(one->bev);
	one->all = c;
	one->next = c->first;
	c->first = one;
	c->count++;
	begin(one, false);
	return one->bev;
}

void connections_answering(struct connections *c, const struct bufferevent *bev)
{
	for (struct connection *one = c->first; one; one = one->next)
		if (one->bev == bev)
			begin(one, true);
}
