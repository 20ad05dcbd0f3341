/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the two halves of the model share: taking records, and counting what they said. */
#ifndef TCPSHAKE_EXPLAIN_MODEL_INTERNAL_H
#define TCPSHAKE_EXPLAIN_MODEL_INTERNAL_H

#include "cli/explain/model.h"
#include "common/keyset.h"

#define NO_CAUSE UINT32_MAX
#define USUAL_SAMPLES 15

/* Keys: no padding, unused bytes zero. */
struct place_key {
	uint64_t netns;
	uint64_t port;
	char addr[ADDR_SIZE];
};

struct cause_key {
	struct place_key place;
	uint32_t by; /* enum cause_by */
	uint32_t active; /* the place is as a client saw it: its netns may be another */
	char code[CODE_SIZE];
	char comm[COMM_SIZE]; /* by source */
};

/* A listener that the feed reported. */
struct listener_facts {
	uint64_t limit, oldest_wait_ns;
	bool v6only;
	struct explain_process owner;
};

/* Latencies of ordinary handshakes, the last of them. */
struct usual {
	uint64_t latency[USUAL_SAMPLES];
	uint32_t count; /* of all that came */
};

/* One handshake that was harmed. */
struct harm {
	uint32_t cause; /* number in `causes`, or NO_CAUSE */
	uint32_t usual; /* number in `usual`: where it went */
	uint64_t lost_ns; /* or NS_UNKNOWN; with `slow` its whole latency */
	int8_t weight; /* -1: no cause */
	uint8_t outcome;
	bool failed, proven, slow, passive;
};

/* A connection: which sides came, and what harmed it. */
struct connection {
	uint32_t roles; /* 1 << role */
	uint32_t harm; /* number + 1; 0: none */
};

struct array {
	void *items;
	size_t count, room;
};

struct explain {
	struct keyset cause_keys, usual_keys, listener_keys, connection_keys;
	struct array causes; /* struct explain_cause, by number of its key */
	struct array usuals; /* struct usual */
	struct array listeners; /* struct listener_facts */
	struct array connections; /* struct connection */
	struct array harms; /* struct harm */
	struct explain_totals totals;
	bool finished, failed;
};

/* A zeroed item at the end, or NULL and `failed`. */
void *explain_append(struct explain *e, struct array *a, size_t size);

#endif
