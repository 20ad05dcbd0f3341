// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_TIMEOUT_S 10
#define REQUEST_MAX 8192

struct metrics {
	struct evhttp *http;
	metrics_fn fn;
	void *ctx;
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
	unsigned char any[16];

	if (len > 1 && text[0] == '[' && text[len - 1] == ']') {
		host++;
		len -= 2;
	} else if (colon && memchr(text, ':', len)) {
		return -1; /* IPv6 without brackets: where does the port begin? */
	}
	if (len >= sizeof(address->host))
		return -1;
	if (len)
		snprintf(address->host, sizeof(address->host), "%.*s", (int)len, host);
	else
		snprintf(address->host, sizeof(address->host), "127.0.0.1");
	if (strcmp(address->host, "localhost") == 0)
		snprintf(address->host, sizeof(address->host), "127.0.0.1");
	if (inet_pton(AF_INET, address->host, any) != 1 &&
	    inet_pton(AF_INET6, address->host, any) != 1)
		return -1;
	return parse_port(colon ? colon + 1 : text, &address->port);
}

static void answer(struct evhttp_request *request, int status, const char *type, const char *text,
		   size_t len)
{
	struct evbuffer *body = evbuffer_new();

	if (!body || evbuffer_add(body, text, len)) {
		evhttp_send_error(request, HTTP_INTERNAL, "out of memory");
	} else {
		evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", type);
		evhttp_send_reply(request, status, NULL, body);
	}
	if (body)
		evbuffer_free(body);
}

static void on_metrics(struct evhttp_request *request, void *ctx)
{
	const char *accept = evhttp_find_header(evhttp_request_get_input_headers(request), "Accept");
	struct metrics *m = ctx;
	struct exposition e = {
		.openmetrics = accept && strstr(accept, "application/openmetrics-text"),
	};

	m->fn(m->ctx, &e);
	exposition_end(&e);
	if (e.text.failed || e.wrong)
		evhttp_send_error(request, HTTP_INTERNAL, "the metrics could not be written");
	else if (e.openmetrics)
		answer(request, HTTP_OK,
		       "application/openmetrics-text; version=1.0.0; charset=utf-8", e.text.data,
		       e.text.len);
	else
		answer(request, HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", e.text.data,
		       e.text.len);
	buf_free(&e.text);
}

static void on_other(struct evhttp_request *request, void *ctx)
{
	static const char text[] = "tcpshaked: the metrics are at /metrics\n";
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	bool root = path && strcmp(path, "/") == 0;

	(void)ctx;
	answer(request, root ? HTTP_OK : HTTP_NOTFOUND, "text/plain; charset=utf-8", text,
	       sizeof(text) - 1);
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
	m->http = evhttp_new(base);
	if (!m->http) {
		free(m);
		return -ENOMEM;
	}
	evhttp_set_timeout(m->http, REQUEST_TIMEOUT_S);
	evhttp_set_max_headers_size(m->http, REQUEST_MAX);
	evhttp_set_max_body_size(m->http, REQUEST_MAX);
	evhttp_set_allowed_methods(m->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_cb(m->http, "/metrics", on_metrics, m);
	evhttp_set_gencb(m->http, on_other, m);
	if (evhttp_bind_socket(m->http, address->host, address->port)) {
		err = errno ? -errno : -EADDRNOTAVAIL;
		metrics_free(m);
		return err;
	}
	*out = m;
	return 0;
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	evhttp_free(m->http);
	free(m);
}
