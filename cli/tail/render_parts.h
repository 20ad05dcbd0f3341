/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the renderers of records share; see render.h for the records themselves. */
#ifndef TCPSHAKE_RENDER_PARTS_H
#define TCPSHAKE_RENDER_PARTS_H

#include "cli/text/line.h"
#include "cli/feed/parsed_record.h"

/* "255.255.255.255:65535", ":65535", "unreachable", "999.9 ms", "python3/1234567" */
enum {
	TIME_WIDTH = 12,
	HOST_WIDTH = 10,
	ROLE_WIDTH = 7,
	OUTCOME_WIDTH = 11,
	LATENCY_WIDTH = 8,
	PORT_WIDTH = 6,
	ENDPOINT_WIDTH = 21,
	PROCESS_WIDTH = 15,
};

/* The local time and a space; and the host, where there are several. */
void render_time(struct line *l, const struct record *r);
void render_endpoint(struct line *l, const struct endpoint *e);
/* The local one (on a narrow terminal its port), an arrow and the remote one. */
void render_endpoints(struct line *l, const struct endpoint *local, int role,
		   const struct endpoint *remote);
/* "comm/pid", or "-". */
void render_process(struct line *l, bool known, const char *comm, uint64_t pid);
/* A space and "key=value", or only the value if it speaks for itself. */
void render_extra(struct line *l, enum paint paint, const char *key, const char *value);

/* "2026-11-20T10:47:46.123456789Z" as local "11:47:46.123"; "-" if it is none. */
const char *render_clock(const char *ts, char *out, size_t size);
/*
 * What follows the ends: the process, and `extras` on the same line if there is room, else on
 * one of their own; `spare` only if there is room. Frees the buffers of both.
 */
void render_rest(struct line *l, const struct owner *owner, const struct line *extras,
		 const struct line *spare);
/* The sentence that says why, in the wide layout only. */
void render_detail(struct line *l, const char *detail);

/* Of single segments; render_record()'s. */
void render_reset(struct line *l, const struct record *r);
void render_retransmit(struct line *l, const struct record *r);
void render_drop(struct line *l, const struct record *r);
/* Of a connection's end. */
void render_close(struct line *l, const struct record *r);
/* Of the queues; render_record()'s. */
void render_listener(struct line *l, const struct record *r);
void render_overflow(struct line *l, const struct record *r);
void render_audit_record(struct line *l, const struct record *r);
void render_accept(struct line *l, const struct record *r);

#endif
