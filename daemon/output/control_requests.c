// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What clients of the socket ask for. */
#define _GNU_SOURCE
#include "daemon/output/control_internal.h"

#include <string.h>

#include "common/clock.h"
#include "daemon/output/aside.h"

#define MAX_REQUEST (64 * 1024)

void client_reply_end(struct client *client, const char *error)
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
		client_reply_end(client, "this connection is subscribed already: open another one");
		return;
	}
	if (filter_set_json(&filter, cJSON_GetObjectItemCaseSensitive(request, "filter"), error,
			    sizeof(error))) {
		filter_free(&filter);
		client_reply_end(client, error);
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
	client_reply_end(client, NULL);
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
			client_reply_end(client, "out of memory");
		event_add(client->turn, &next_turn);
	}
}

/*
 * What a kernel grants stays as it is. Some of it is found by loading programs, in tenths of a second and more: once,
 * and not in the loop.
 */
void control_probe(struct control *c)
{
	if (!c->probing)
		c->probing = aside_start(event_get_base(c->acceptable), c->handler.probe, c->handler.ctx, on_probed, c);
}

static void op_probe(struct client *client, const cJSON *request)
{
	struct control *c = client->control;

	(void)request;
	if (c->probe.body.len) {
		answer_probe(client);
		return;
	}
	control_probe(c);
	client->waits = c->probing;
	if (!c->probing)
		client_reply_end(client, "there is no process to probe in");
}

static void op_listeners(struct client *client, const cJSON *request)
{
	struct control *c = client->control;

	(void)request;
	c->handler.listeners(c->handler.ctx, sink_feed(client->sink));
	client_reply_end(client, NULL);
}

static void op_stats(struct client *client, const cJSON *request)
{
	struct control *c = client->control;

	(void)request;
	c->handler.stats(c->handler.ctx, sink_feed(client->sink));
	client_reply_end(client, NULL);
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

/* Is there a NUL in it, as a byte or as \u0000 in a string? What is behind it would be read by nobody. */
static bool has_nul(const char *line, size_t len)
{
	const char *end = line + len;

	if (memchr(line, '\0', len))
		return true;
	while ((line = memchr(line, '\\', (size_t)(end - line))) && end - line >= 6) {
		if (memcmp(line, "\\u0000", 6) == 0)
			return true;
		line += 2; /* an escaped backslash escapes nothing */
	}
	return false;
}

/* One JSON value and nothing else. NULL, and what is wrong. */
static cJSON *parse_request(const char *line, size_t len, const char **error)
{
	const char *rest = NULL;
	cJSON *request;

	*error = "the request has a NUL";
	if (has_nul(line, len))
		return NULL;
	*error = "the request is not JSON: send one object a line";
	request = cJSON_ParseWithLengthOpts(line, len, &rest, false);
	while (request && rest < line + len && strchr(" \t\r", *rest))
		rest++;
	if (!request || rest == line + len)
		return request;
	*error = "the request is more than one JSON object: send one a line";
	cJSON_Delete(request);
	return NULL;
}

static void handle_request(struct client *client, const char *line, size_t len)
{
	const char *error, *op;
	cJSON *request = parse_request(line, len, &error);

	if (!request) {
		client_reply_end(client, error);
		return;
	}
	op = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(request, "op"));
	for (size_t i = 0; op && i < sizeof(operations) / sizeof(*operations); i++) {
		if (strcmp(op, operations[i].op) == 0) {
			operations[i].run(client, request);
			cJSON_Delete(request);
			return;
		}
	}
	client_reply_end(client, !op ? "the request has no \"op\": try {\"op\":\"subscribe\"}" :
				"unknown op: this daemon knows subscribe, listeners, stats and probe");
	cJSON_Delete(request);
}

char *client_request_end(const struct client *client)
{
	return client->in.len ? memchr(client->in.data, '\n', client->in.len) : NULL;
}

/* It asks and does not read, or asks without an end: what that may cost ends here. */
bool client_is_over(struct client *client, enum limit *limit)
{
	if (client_request_end(client)) {
		*limit = LIMIT_ANSWER_BYTES;
		return feed_is_full(sink_feed(client->sink));
	}
	*limit = LIMIT_REQUEST_BYTES;
	if (client->in.len <= MAX_REQUEST)
		return false;
	client_reply_end(client, "the request is longer than 64 KiB");
	feed_flush(sink_feed(client->sink));
	return true;
}

void client_serve(struct client *client)
{
	const char *newline = client_request_end(client);

	if (newline) {
		size_t len = (size_t)(newline - client->in.data);

		client->active_ns = clock_mono_ns();
		control_make_room(client);
		if (len)
			handle_request(client, client->in.data, len);
		buf_consume(&client->in, len + 1);
		event_del(client->slow); /* of what follows, another one */
	}
}
