/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The limits of what clients of a server may cost: how often each was reached, and a line in the log at most once a minute. */
#ifndef TCPSHAKE_LIMITS_H
#define TCPSHAKE_LIMITS_H

#include <stdint.h>

enum limit {
	LIMIT_PLACES, /* so many clients */
	LIMIT_REQUEST_BYTES,
	LIMIT_REQUEST_TIME, /* from the beginning of a request to its end */
	LIMIT_ANSWER_BYTES, /* of all answers that wait for their readers */
	LIMIT_ANSWER_TIME, /* a reader takes nothing for so long, or not all */
	LIMIT_ANSWER_RATE, /* different answers within a moment */
	LIMIT_DESCRIPTORS, /* so many files are open that others of the daemon would go short */
	LIMITS,
};

extern const char *const limit_names[LIMITS];

struct limits {
	const char *server; /* "socket", "metrics" */
	uint32_t known; /* 1 << enum limit: those that it has */
	uint64_t reached[LIMITS];
	struct {
		uint64_t at_ns, reached; /* when, and how often until then */
	} logged[LIMITS];
};

/* At the moment `now_ns` a client reached it, and was closed or refused, or waits. */
void limits_reached(struct limits *l, enum limit limit, uint64_t now_ns);

#endif
