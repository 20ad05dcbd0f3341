/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is kept of each host's records (across.c), and how something is found in them (across_find.c). */
#ifndef TCPSHAKE_EXPLAIN_ACROSS_INTERNAL_H
#define TCPSHAKE_EXPLAIN_ACROSS_INTERNAL_H

#include "cli/explain/across.h"
#include "common/keyset.h"

#define ACROSS_ADDR 48

struct attempt {
	uint32_t host;
	uint16_t local_port, remote_port;
	char local[ACROSS_ADDR], remote[ACROSS_ADDR];
	uint64_t conn; /* 0: not known */
	uint64_t begin_ns, end_ns; /* by its host's clock; the first SYN's departure as far as known */
	uint64_t syns; /* how many left */
	bool failed;
	bool by_reset; /* a RST ended it: no queue did */
	bool joined;
};

/* A queue that refused SYNs, or was seen full: at some moment from `begin_ns` to `end_ns`, by its host's clock. */
struct refusal {
	uint32_t host;
	uint16_t port, remote_port; /* remote_port 0: the client is not known */
	bool state; /* it was full, and no refusal is known */
	char listener[ACROSS_ADDR], remote[ACROSS_ADDR];
	uint64_t netns, begin_ns, end_ns, count;
	uint64_t len, max; /* or COUNT_UNKNOWN */
	char code[48];
};

enum segment_fate { SEGMENT_RESET, SEGMENT_DROPPED };

/* What a host did to a segment of a connection. */
struct segment {
	uint64_t conn;
	uint32_t host;
	enum segment_fate fate;
	char what[16], reason[40]; /* of a drop */
	uint64_t netns;
	char addr[ACROSS_ADDR]; /* its own end */
	uint16_t port;
};

#define NO_HOST UINT32_MAX

struct across {
	struct attempt *attempts;
	struct refusal *refusals; /* sorted when ready: by port, then by end */
	struct segment *segments; /* sorted when ready: by conn */
	size_t attempt_count, attempt_room, refusal_count, refusal_room, segment_count, segment_room;
	struct keyset addresses; /* of char [ACROSS_ADDR] */
	uint32_t *owners; /* by number of the address: a host, or NO_HOST if several have it */
	size_t owner_room;
	uint64_t from_ns[CLOCK_HOSTS], to_ns[CLOCK_HOSTS]; /* what a host's records cover, by its clock; 0: nothing */
	uint64_t longest_ns; /* of the refusals */
	const struct host_report *hosts;
	uint32_t host_count;
};

#endif
