/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Metrics over HTTP: GET /metrics, as Prometheus's text or, for who accepts it, OpenMetrics. */
#ifndef TCPSHAKE_HTTP_H
#define TCPSHAKE_HTTP_H

#include <event2/event.h>

#include "daemon/metrics/exposition.h"
#include "daemon/output/limits.h"

struct metrics;

/* Where to serve: a numeric address and a port. */
struct metrics_address {
	char host[64];
	uint16_t port;
};

/* "9469", ":9469", "127.0.0.1:9469", "[::1]:9469"; without an address, or with localhost: 127.0.0.1. 0 or -1. */
int metrics_parse_address(const char *text, struct metrics_address *address);

typedef void (*metrics_fn)(void *ctx, struct exposition *e);

/* `fn` fills in what is asked for, at each request. 0 or a negative errno. */
int metrics_open(struct metrics **m, struct event_base *base, const struct metrics_address *address,
		 metrics_fn fn, void *ctx);
const struct limits *metrics_limits(const struct metrics *m);
void metrics_free(struct metrics *m);

#endif
