// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the ring may hold: events of any bytes and any length, each as its length (two bytes, the lower first) and so many bytes.
 * What is taken for one goes the way of all: into what causes are found from, and into a record, which is one line of JSON.
 */
#include <string.h>

#include "daemon/cause/correlate.h"
#include "daemon/cause/diagnose.h"
#include "daemon/kernel/consume.h"
#include "daemon/records/close_record.h"
#include "daemon/records/queue_record.h"
#include "daemon/records/record.h"
#include "daemon/records/segment_record.h"
#include "tests/fuzz/fuzz.h"

struct sides {
	struct correlate *correlate;
	struct listeners *listeners;
	struct identity *identity;
	struct record record;
	uint64_t now_ns;
};

static void check_record(struct sides *s)
{
	struct buf line = { 0 };
	const char *end;
	cJSON *json;

	FUZZ_CHECK(!s->record.body.failed);
	record_type_open(&line, s->record.type);
	buf_lit(&line, ",");
	buf_mem(&line, s->record.body.data, s->record.body.len);
	FUZZ_CHECK(!line.failed && memchr(line.data, '\n', line.len) == line.data + line.len - 1);
	json = cJSON_ParseWithLengthOpts(line.data, line.len, &end, 0);
	FUZZ_CHECK(json && end >= line.data + line.len - 1);
	cJSON_Delete(json);
	buf_free(&line);
}

static struct buf *begin(struct sides *s, enum record_type type, uint64_t mono_ns)
{
	if (mono_ns > s->now_ns && mono_ns < INT64_MAX)
		s->now_ns = mono_ns;
	record_begin(&s->record, type, mono_ns, 0);
	return &s->record.body;
}

static void put_handshake(void *ctx, const struct event_handshake *e)
{
	struct sides *s = ctx;
	struct evidence evidence;
	struct cause cause;
	const struct verdict verdict = { .cause = &cause };

	correlate_handshake(s->correlate, e, diagnose_wanted(e, 1));
	correlate_evidence(s->correlate, e, s->now_ns, &evidence);
	evidence.slow_ns = 1;
	diagnose(&evidence, &cause);
	record_handshake(begin(s, RECORD_HANDSHAKE, e->end_ns), e, s->identity, NULL, &verdict);
	check_record(s);
}

static void put_listener(void *ctx, const struct event_listener *e)
{
	struct sides *s = ctx;
	struct listener *p = e->event == LISTENER_CLOSED ? listeners_of(s->listeners, e) : listeners_put(s->listeners, e);

	if (!p)
		return;
	record_listener(begin(s, RECORD_LISTENER, e->mono_ns), p,
			e->event == LISTENER_CLOSED ? CHANGE_CLOSED : CHANGE_OPENED, s->identity, NULL);
	check_record(s);
	if (e->event == LISTENER_CLOSED)
		listeners_remove(s->listeners, p);
}

static void put_overflow(void *ctx, const struct event_overflow *e)
{
	struct sides *s = ctx;
	const struct overflow_report report = overflow_report_of(e, listeners_find(s->listeners, e->socket));

	correlate_overflow(s->correlate, e);
	record_overflow(begin(s, RECORD_OVERFLOW, e->mono_ns), &report, NULL);
	check_record(s);
}

static void put_accept(void *ctx, const struct event_accept *e)
{
	struct sides *s = ctx;
	const struct sighting seen = sighting_of(e, ROLE_PASSIVE);

	record_accept(begin(s, RECORD_ACCEPT, e->mono_ns), e, correlate_conn(s->correlate, &seen));
	check_record(s);
}

static void put_reset(void *ctx, const struct event_reset *e)
{
	struct sides *s = ctx;
	const struct listener_owner *owner = NULL;

	if (!e->pid)
		owner = listeners_owner(s->listeners, arrival_of(e->listener, e->mono_ns, e));
	record_reset(begin(s, RECORD_RESET, e->mono_ns), e, NULL, owner);
	check_record(s);
}

static void put_retransmit(void *ctx, const struct event_retransmit *e)
{
	struct sides *s = ctx;
	const struct sighting seen = sighting_of(e, e->segment == SEGMENT_SYN ? ROLE_ACTIVE : ROLE_PASSIVE);

	correlate_retransmit(s->correlate, e);
	record_retransmit(begin(s, RECORD_RETRANSMIT, e->mono_ns), e, correlate_conn(s->correlate, &seen),
			  listeners_find(s->listeners, e->listener));
	check_record(s);
}

static void put_drop(void *ctx, const struct event_drop *e)
{
	struct sides *s = ctx;

	correlate_drop(s->correlate, e);
	record_drop(begin(s, RECORD_DROP, e->mono_ns), e, NULL);
	check_record(s);
}

static void put_close(void *ctx, const struct event_close *e)
{
	struct sides *s = ctx;

	record_close(begin(s, RECORD_CLOSE, e->mono_ns), e, 0, NULL);
	check_record(s);
}

static unsigned int is_local(void *ctx, uint32_t netns, const uint8_t *addr)
{
	(void)ctx;
	(void)netns;
	return addr[15] & 1;
}

/* In memory of its own, so that a sanitizer sees who reads beyond it. */
static void take(const struct source_handler *handler, const uint8_t *data, size_t size)
{
	void *event = malloc(size ? size : 1);

	FUZZ_CHECK(event);
	memcpy(event, data, size);
	consume(handler, event, size);
	free(event);
}

static void release_one(void *ctx, const struct event_handshake *e)
{
	put_handshake(ctx, e);
}

static bool is_pending(void *ctx, const struct event_handshake *e)
{
	(void)ctx;
	return e->remote_port & 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct identity *identity;
	struct sides s = { .listeners = listeners_new() };
	const struct source_handler handler = { put_handshake, put_listener, put_overflow, put_accept,
						put_reset,     put_retransmit, put_drop,     put_close,  &s };
	const struct correlate_inference inference = { .pending = is_pending, .fn = release_one, .ctx = &s };

	if (!identity)
		identity = identity_new(); /* it is kept: cgroups are looked for once */
	s.identity = identity;
	s.correlate = correlate_new(is_local, &s, 0);
	FUZZ_CHECK(s.listeners && s.identity && s.correlate);
	while (size >= 2) {
		size_t len = data[0] | data[1] << 8;

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		take(&handler, data, len);
		data += len;
		size -= len;
	}
	correlate_expire(s.correlate, s.now_ns, &inference);
	correlate_free(s.correlate);
	listeners_free(s.listeners);
	buf_free(&s.record.body);
	return 0;
}
