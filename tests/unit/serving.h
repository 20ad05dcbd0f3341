/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A control socket that answers little, for the tests and the fuzzer of what is asked of it. */
#ifndef TCPSHAKE_TEST_SERVING_H
#define TCPSHAKE_TEST_SERVING_H

#include "daemon/output/control.h"

/* With the filter as it was understood. */
static void serve_hello(void *ctx, struct record *r, const struct filter *filter)
{
	cJSON *json = filter_to_json(filter);
	char *text = cJSON_PrintUnformatted(json);

	(void)ctx;
	record_begin(r, RECORD_HELLO, 1, 0);
	buf_lit(&r->body, ",\"filters\":");
	buf_str(&r->body, text);
	buf_lit(&r->body, "}\n");
	cJSON_free(text);
	cJSON_Delete(json);
}

static void serve_probe(void *ctx, struct record *r)
{
	(void)ctx;
	record_begin(r, RECORD_PROBE, 1, 0);
	buf_lit(&r->body, "}\n");
}

static void serve_nothing(void *ctx, struct feed *to)
{
	(void)ctx;
	(void)to;
}

static void serve_end(void *ctx, struct record *r, const char *error)
{
	(void)ctx;
	record_begin(r, RECORD_END, 1, 0);
	buf_lit(&r->body, ",\"error\":");
	buf_json_str(&r->body, error ? error : "", SIZE_MAX);
	buf_lit(&r->body, "}\n");
}

#endif
