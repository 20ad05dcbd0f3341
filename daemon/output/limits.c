// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/output/limits.h"

#include <inttypes.h>

#include "common/log.h"

const char *const limit_names[LIMITS] = {
	[LIMIT_PLACES] = "places",
	[LIMIT_REQUEST_BYTES] = "request_bytes",
	[LIMIT_REQUEST_TIME] = "request_time",
	[LIMIT_ANSWER_BYTES] = "answer_bytes",
	[LIMIT_ANSWER_TIME] = "answer_time",
	[LIMIT_ANSWER_RATE] = "answer_rate",
	[LIMIT_DESCRIPTORS] = "descriptors",
};

static const char *const what_happened[LIMITS] = {
	[LIMIT_PLACES] = "closed a client to make a place for another one, or refused one for want of a place",
	[LIMIT_REQUEST_BYTES] = "closed a client whose request was too long",
	[LIMIT_REQUEST_TIME] = "closed a client that did not end its request in time",
	[LIMIT_ANSWER_BYTES] = "closed a client that asked much and did not read the answers",
	[LIMIT_ANSWER_TIME] = "closed a client that did not read its answer in time",
	[LIMIT_ANSWER_RATE] = "refused a request: too many different ones came at once",
	[LIMIT_DESCRIPTORS] = "closed a client, refused one or let it wait for want of descriptors: raise the limit of open "
			      "files (LimitNOFILE=, ulimit -Hn)",
};

void limits_reached(struct limits *l, enum limit limit, uint64_t now_ns)
{
	uint64_t since;

	l->reached[limit]++;
	if (!log_is_due(&l->logged[limit].at_ns, now_ns))
		return;
	since = l->reached[limit] - l->logged[limit].reached;
	l->logged[limit].reached = l->reached[limit];
	log_warning("%s: %s (limit %s; %" PRIu64 " since the last such line)", l->server, what_happened[limit],
		    limit_names[limit], since);
}
