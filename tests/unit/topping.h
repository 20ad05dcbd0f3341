/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Records for the tests of top, made without JSON. */
#ifndef TCPSHAKE_TEST_TOPPING_H
#define TCPSHAKE_TEST_TOPPING_H

#include <arpa/inet.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/top/draw/columns.h"
#include "cli/top/draw/draw.h"
#include "cli/top/draw/numbers.h"
#include "cli/top/model/model.h"
#include "cli/top/model/query.h"

#define SECOND 1000000000ULL

static inline struct endpoint end_of(const char *addr, unsigned port)
{
	struct endpoint e = { .addr = addr, .port = (uint16_t)port, .numeric = true };

	e.bytes[10] = e.bytes[11] = 0xff;
	if (inet_pton(AF_INET, addr, e.bytes + 12) != 1) {
		e.ipv6 = true;
		assert_int_equal(inet_pton(AF_INET6, addr, e.bytes), 1);
	}
	return e;
}

/* Of curl/7 at 10.0.0.1:50000, to 10.0.0.2:443, in namespace 1. */
static inline struct record handshake(uint64_t mono_ns, int role, int outcome, uint64_t latency_ns)
{
	struct endpoint client = end_of("10.0.0.1", 50000), server = end_of("10.0.0.2", 443);

	return (struct record){
		.type = RECORD_HANDSHAKE,
		.mono_ns = mono_ns,
		.netns = 1,
		.handshake = {
			.netns = 1,
			.role = role,
			.outcome = outcome,
			.latency_ns = latency_ns,
			.retransmit_wait_ns = NS_UNKNOWN,
			.local = role == ROLE_ACTIVE ? client : server,
			.remote = role == ROLE_ACTIVE ? server : client,
			.has_process = true,
			.pid = role == ROLE_ACTIVE ? 7 : 9,
			.comm = role == ROLE_ACTIVE ? "curl" : "nginx",
		},
	};
}

static inline struct record overflow(uint64_t mono_ns, const char *stage, const char *action,
				     uint64_t count)
{
	return (struct record){
		.type = RECORD_OVERFLOW,
		.mono_ns = mono_ns,
		.netns = 1,
		.overflow = {
			.stage = stage,
			.queue = "accept",
			.action = action,
			.count = count,
			.netns = 1,
			.has_listener = true,
			.listener = end_of("10.0.0.2", 443),
			.cause = { "accept_queue_full", "proven", "The queue was full." },
			.owner = { .known = true, .pid = 9, .comm = "nginx" },
		},
	};
}

static inline struct record listening(uint64_t mono_ns, int event, const char *socket,
				      const char *addr, unsigned port, uint64_t len, uint64_t max,
				      uint64_t peak)
{
	return (struct record){
		.type = RECORD_LISTENER,
		.mono_ns = mono_ns,
		.netns = 1,
		.listener = {
			.event = event,
			.netns = 1,
			.local = end_of(addr, port),
			.socket = socket,
			.backlog.got = max,
			.drops = 3,
			.accept = { .known = true, .len = len, .max = max, .peak = peak },
			.syn = { .known = true, .len = 1, .max = max },
			.owner = { .known = true, .pid = 9, .comm = "nginx" },
			.owners = 1,
			.waiting = len > 0,
			.oldest_wait_ns = len ? 5 * SECOND : NS_UNKNOWN,
		},
	};
}

static inline void put(struct top_model *m, struct record r)
{
	top_model_add(m, &r, r.mono_ns);
}

/* A count of the `window` at a time. */
static inline uint64_t count_of(const struct top_model *m, enum top_window window, uint64_t now_ns,
				enum top_count count)
{
	struct top_span span = top_span_of(m, window, now_ns);
	struct top_totals totals;

	top_totals_of(m, &span, &totals);
	return totals.counts[count];
}

/* The line of a table with that name ("10.0.0.2:443", "curl"), copied; false if there is none. */
static inline bool line_named(struct top_query *q, const struct top_model *m, enum top_table_id id,
			      enum top_window window, uint64_t now_ns, const char *name,
			      struct top_line *line)
{
	struct top_span span = top_span_of(m, window, now_ns);
	struct top_line *lines;
	size_t count = top_lines_of(q, m, id, &span, &lines);

	memset(line, 0, sizeof(*line));
	for (size_t i = 0; i < count; i++) {
		char head[80], tail[24], whole[104];

		top_line_name(id, &lines[i], head, sizeof(head), tail, sizeof(tail));
		snprintf(whole, sizeof(whole), "%s%s", head, id == TOP_PROCESSES ? "" : tail);
		if (strcmp(whole, name) != 0)
			continue;
		*line = lines[i];
		return true;
	}
	return false;
}

#endif
