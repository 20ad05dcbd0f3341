/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records as JSON. A record's body is what follows `"seq":N,` and ends with "}\n": the same
 * bytes go to every feed, each with a sequence number of its own.
 *
 * The folder records/ is for how each record is written, and for the count of what became of them; it may include
 * cause/, queues/, kernel/ and host/, and knows no feed.
 */
#ifndef TCPSHAKE_RECORD_H
#define TCPSHAKE_RECORD_H

#include <stdint.h>

#include "bpf/event.h"
#include "common/buf.h"
#include "common/record_type.h"
#include "daemon/cause/diagnose.h"
#include "daemon/host/identity.h"
#include "daemon/queues/listeners.h"

/* What each kind of event becomes. */
extern const enum record_type record_of_kind[EVENT_KINDS];

struct record {
	enum record_type type;
	uint64_t mono_ns; /* the moment it is about */
	int64_t real_ns; /* the same, since the epoch */
	struct buf body;
};

/* `"ts":…,"mono_ns":…`: how every body begins. */
void record_times(struct buf *b, uint64_t mono_ns, int64_t real_ns);

/* Start a record anew: its type, its moment, and the beginning of its body. */
void record_begin(struct record *r, enum record_type type, uint64_t mono_ns, int64_t offset_ns);

/* Why, whether any event reported its end, and where the other side was. */
struct verdict {
	const struct cause *cause; /* NULL, or CAUSE_NONE: there is nothing to explain */
	bool inferred;
	const struct peer *peer; /* NULL: where `remote` says, as far as that is known */
};

/* The hot path. `owner` is of the listener, for a passive handshake; NULL if unknown. */
void record_handshake(struct buf *b, const struct event_handshake *e, struct identity *identity,
		      const struct listener_owner *owner, const struct verdict *verdict);

void record_loss(struct buf *b, const char *what, const char *why, uint64_t count);

/* A file of the output is full. The `removed` one was the oldest; "": none was. Numbers of records; 0: not known. */
void record_rotation(struct buf *b, const char *ended, uint64_t ended_first, uint64_t ended_last, const char *removed,
		     uint64_t removed_first, uint64_t removed_last);

void record_accept(struct buf *b, const struct event_accept *e, uint64_t conn);

#endif
