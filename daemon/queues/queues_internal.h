/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of queues.h share: queues.c follows the listeners, drops.c explains their drops. */
#ifndef TCPSHAKE_QUEUES_INTERNAL_H
#define TCPSHAKE_QUEUES_INTERNAL_H

#include "daemon/queues/books.h"
#include "daemon/queues/queues.h"

#define CLIENT_CACHE 64

struct queues {
	struct source *source;
	struct listeners *listeners;
	struct queues_handler handler;
	struct books books;
	struct look_request *requests; /* of all listeners that can be looked at */
	struct listener **looked; /* … in the same order */
	struct listener **group; /* the listeners of all namespaces, sorted by namespace */
	size_t count, room;
	struct overflow_view *views;
	struct overflow_finding *findings;
	uint64_t refused[STAGES][QUEUES][ACTIONS];
	uint64_t audits[2]; /* out of balance, balanced */
	uint32_t clients[CLIENT_CACHE]; /* namespaces whose clients were seen since then */
	uint64_t last_ns; /* of the previous look */
	unsigned int idle_intervals; /* after so many, an idle namespace's counters are read */
	bool reasons; /* each refused final ACK is reported one by one */
	bool blind; /* nobody can look at the queues here */
	bool partial; /* … at those of listeners from before the daemon */
};

/* Explain what the listeners of one namespace dropped since the last time. */
void queues_explain_drops(struct queues *q, struct book *b, struct listener **group, size_t count,
			  uint64_t now_ns);

#endif
