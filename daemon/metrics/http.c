// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/metrics/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/host/resources.h"
#include "daemon/metrics/connections.h"

#define SILENCE_S 5
#define REQUEST_MAX 8192
#define KEEP_NS 100000000ULL
#define DESCRIPTORS_KEPT 256
/* All: libevent would say 501 to those that are not allowed, which is for methods nobody knows. */
#define METHODS \
	(EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | \
	 EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH)

/* An answer that is kept for all who ask the same within a moment. */
struct kept {
	struct evbuffer *body; /* NULL: none */
	uint64_t made_ns;
	bool openmetrics;
	uint16_t fine_port;
};

/*
 * One for each format, and few for those of single ports: an answer costs a look and its memory, and there are
 * 65,535 ports to ask for.
 */
enum { KEPT_TEXT, KEPT_OPENMETRICS, KEPT_FINE, KEPT = KEPT_FINE + 2 };

struct metrics {
	struct evhttp *http;
	struct evconnlistener *listener;
	int listening;
	struct event *wait; /* until connections are taken again */
	struct connections *connections;
	struct limits limits;
	metrics_fn fn;
	void *ctx;
	struct kept kept[KEPT];
};

static int parse_port(const char *text, uint16_t *port)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || !value || value > 65535)
		return -1;
	*port = (uint16_t)value;
	return 0;
}

int metrics_parse_address(const char *text, struct metrics_address *address)
{
	const char *colon = strrchr(text, ':'), *host = text;
	size_t len = colon ? (size_t)(colon - text) : 0;
	struct metrics_address parsed = { .host = "127.0.0.1" };
	bool brackets = len > 1 && text[0] == '[' && text[len - 1] == ']';
	unsigned char any[16];

	if (brackets) {
		host++;
		len -= 2;
	}
	if (len >= sizeof(parsed.host) || parse_port(colon ? colon + 1 : text, &parsed.port))
		return -1;
	if ((len || brackets) && (len != 9 || memcmp(host, "localhost", len) != 0))
		snprintf(parsed.host, sizeof(parsed.host), "%.*s", (int)len, host);
	/* IPv6 without brackets: where does the port begin? */
	if (inet_pton(brackets ? AF_INET6 : AF_INET, parsed.host, any) != 1)
		return -1;
	*address = parsed;
	return 0;
}

static bool is_fresh(const struct kept *k)
{
	return k->body && clock_mono_ns() - k->made_ns < KEEP_NS;
}

/*
 * Where this answer is kept, or is to be. A flood of scrapes costs one look each KEEP_NS, and slow readers of it share
 * its memory. NULL: as many different ones were asked for as there may be within that time.
 */
static struct kept *find_kept(struct metrics *m, bool openmetrics, uint16_t fine_port)
{
	struct kept *oldest = &m->kept[KEPT_FINE];

	if (!fine_port)
		return &m->kept[openmetrics ? KEPT_OPENMETRICS : KEPT_TEXT];
	for (struct kept *k = oldest; k < m->kept + KEPT; k++) {
		if (k->fine_port == fine_port && k->openmetrics == openmetrics)
			return k;
		if (k->made_ns < oldest->made_ns)
			oldest = k;
	}
	return is_fresh(oldest) ? NULL : oldest;
}

static int make_body(struct metrics *m, struct kept *k, bool openmetrics, uint16_t fine_port)
{
	struct exposition e = { .openmetrics = openmetrics, .fine_port = fine_port };
	bool good;

	if (k->body)
		evbuffer_free(k->body);
	k->body = evbuffer_new();
	m->fn(m->ctx, &e);
	exposition_end(&e);
	good = k->body && !e.text.failed && !e.wrong &&
	       evbuffer_add(k->body, e.text.data, e.text.len) == 0;
	buf_free(&e.text);
	k->openmetrics = openmetrics;
	k->fine_port = fine_port;
	k->made_ns = clock_mono_ns();
	if (!good && k->body) {
		evbuffer_free(k->body);
		k->body = NULL;
	}
	return good ? 0 : -1;
}

static void answer(struct evhttp_request *request, int status, const char *type,
		   struct evbuffer *body)
{
	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", type);
	evhttp_send_reply(request, status, NULL, body);
}

/* Whatever it asks for, the whole of it is here. */
static void note_request(const struct metrics *m, struct evhttp_request *request)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(request);

	if (connection)
		connections_answering(m->connections, evhttp_connection_get_bufferevent(connection));
}

/* Only to be read: true if the request was answered, for it wants something else. */
static bool refuse_method(struct evhttp_request *request)
{
	enum evhttp_cmd_type method = evhttp_request_get_command(request);

	if (method == EVHTTP_REQ_GET || method == EVHTTP_REQ_HEAD)
		return false;
	evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
	evhttp_send_reply(request, HTTP_BADMETHOD, NULL, NULL);
	return true;
}

/* ?port=N: this port's histograms with all their buckets. 0 or -1. */
static int parse_query(struct evhttp_request *request, uint16_t *fine_port)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *query = uri ? evhttp_uri_get_query(uri) : NULL;

	*fine_port = 0;
	if (!query || !*query)
		return 0;
	return strncmp(query, "port=", 5) == 0 ? parse_port(query + 5, fine_port) : -1;
}

static void refuse_rate(struct metrics *m, struct evhttp_request *request)
{
	limits_reached(&m->limits, LIMIT_ANSWER_RATE, clock_mono_ns());
	evhttp_add_header(evhttp_request_get_output_headers(request), "Retry-After", "1");
	evhttp_send_reply(request, HTTP_SERVUNAVAIL, NULL, NULL);
}

static void send_kept(struct evhttp_request *request, const struct kept *k)
{
	struct evbuffer *body = evbuffer_new();

	if (!body || evbuffer_add_buffer_reference(body, k->body))
		evhttp_send_error(request, HTTP_INTERNAL, "out of memory");
	else
		answer(request, HTTP_OK,
		       k->openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8" :
					"text/plain; version=0.0.4; charset=utf-8",
		       body);
	if (body)
		evbuffer_free(body);
}

static void on_metrics(struct evhttp_request *request, void *ctx)
{
	const char *accept = evhttp_find_header(evhttp_request_get_input_headers(request), "Accept");
	bool openmetrics = accept && strstr(accept, "application/openmetrics-text");
	struct metrics *m = ctx;
	uint16_t fine_port;
	struct kept *k;

	note_request(m, request);
	if (refuse_method(request))
		return;
	if (parse_query(request, &fine_port)) {
		evhttp_send_error(request, HTTP_BADREQUEST, "the query may be port=N");
		return;
	}
	k = find_kept(m, openmetrics, fine_port);
	if (!k)
		refuse_rate(m, request);
	else if (!is_fresh(k) && make_body(m, k, openmetrics, fine_port))
		evhttp_send_error(request, HTTP_INTERNAL, "the metrics could not be written");
	else
		send_kept(request, k);
}

static void on_other(struct evhttp_request *request, void *ctx)
{
	static const char text[] = "tcpshaked: the metrics are at /metrics\n";
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	bool root = path && strcmp(path, "/") == 0;
	struct evbuffer *body;

	note_request(ctx, request);
	if (refuse_method(request))
		return;
	body = evbuffer_new();
	if (!body || evbuffer_add(body, text, sizeof(text) - 1))
		evhttp_send_error(request, HTTP_INTERNAL, "out of memory");
	else
		answer(request, root ? HTTP_OK : HTTP_NOTFOUND, "text/plain; charset=utf-8", body);
	if (body)
		evbuffer_free(body);
}

static void on_wait_over(evutil_socket_t fd, short what, void *ctx)
{
	struct metrics *m = ctx;

	(void)fd;
	(void)what;
	evconnlistener_enable(m->listener);
}

/* The kernel keeps those that come for a moment. */
static void wait_a_moment(struct metrics *m)
{
	static const struct timeval a_moment = { .tv_usec = 100000 };

	evconnlistener_disable(m->listener);
	event_add(m->wait, &a_moment);
}

/* For on_accept_error(), which gets what libevent keeps with the listener: its own. A process has one server. */
static struct metrics *server;

/* A connection could not be taken. */
static void on_accept_error(struct evconnlistener *listener, void *ctx)
{
	struct metrics *m = server;

	(void)listener;
	(void)ctx;
	if (!resources_lack(-errno))
		return;
	limits_reached(&m->limits, LIMIT_DESCRIPTORS, clock_mono_ns());
	wait_a_moment(m);
}

/* Called for each connection. Others of the daemon need descriptors, too: when there is no place, further ones wait. */
static struct bufferevent *on_connection(struct event_base *base, void *ctx)
{
	struct metrics *m = ctx;

	(void)base;
	if (!connections_make_place(m->connections, resources_descriptors_scarce(m->listening, DESCRIPTORS_KEPT)))
		wait_a_moment(m);
	return connections_add(m->connections);
}

static int bind_to(struct metrics *m, const struct metrics_address *address)
{
	struct evhttp_bound_socket *bound;

	errno = 0;
	bound = evhttp_bind_socket_with_handle(m->http, address->host, address->port);
	if (!bound)
		return errno ? -errno : -EADDRNOTAVAIL;
	m->listener = evhttp_bound_socket_get_listener(bound);
	m->listening = evhttp_bound_socket_get_fd(bound);
	server = m;
	evconnlistener_set_error_cb(m->listener, on_accept_error);
	return 0;
}

int metrics_open(struct metrics **out, struct event_base *base,
		 const struct metrics_address *address, metrics_fn fn, void *ctx)
{
	struct metrics *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->fn = fn;
	m->ctx = ctx;
	m->limits = (struct limits){
		.server = "metrics",
		.known = 1U << LIMIT_PLACES | 1U << LIMIT_REQUEST_TIME | 1U << LIMIT_ANSWER_TIME |
			 1U << LIMIT_ANSWER_RATE | 1U << LIMIT_DESCRIPTORS,
	};
	m->connections = connections_new(base, &m->limits);
	m->http = evhttp_new(base);
	m->wait = evtimer_new(base, on_wait_over, m);
	if (!m->http || !m->wait || !m->connections) {
		metrics_free(m);
		return -ENOMEM;
	}
	evhttp_set_timeout(m->http, SILENCE_S);
	evhttp_set_max_headers_size(m->http, REQUEST_MAX);
	evhttp_set_max_body_size(m->http, REQUEST_MAX);
	evhttp_set_allowed_methods(m->http, METHODS);
	evhttp_set_cb(m->http, "/metrics", on_metrics, m);
	evhttp_set_gencb(m->http, on_other, m);
	evhttp_set_bevcb(m->http, on_connection, m);
	err = bind_to(m, address);
	if (err) {
		metrics_free(m);
		return err;
	}
	*out = m;
	return 0;
}

const struct limits *metrics_limits(const struct metrics *m)
{
	return &m->limits;
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	if (m->http)
		evhttp_free(m->http);
	connections_free(m->connections);
	if (m->wait)
		event_free(m->wait);
	for (int i = 0; i < KEPT; i++)
		if (m->kept[i].body)
			evbuffer_free(m->kept[i].body);
	free(m);
}
