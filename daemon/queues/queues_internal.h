/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of queues.h share: queues.c follows the listeners and looks at them, listener_reports.c says which of
 * them is reported, overflow_events.c takes refusals that events report, drops.c finds the others,
 * namespaces.c does what is done for each namespace, and kept.c finds those that ended.
 */
#ifndef TCPSHAKE_QUEUES_INTERNAL_H
#define TCPSHAKE_QUEUES_INTERNAL_H

#include "bpf/maps.h"
#include "daemon/queues/books.h"
#include "daemon/queues/queues.h"

#define CLIENT_CACHE 64
#define IDLE_INTERVALS 10 /* after so many, an idle namespace's counters are read all the same */

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
	unsigned int skipped; /* intervals since the previous look, in which nothing happened */
	bool reasons; /* each refused final ACK is reported one by one */
	bool depths_full[LISTENER_QUEUES], waits_full; /* somebody found no room in the kernel side's distributions */
	bool quiet; /* all listeners were, at the last look: nothing is left to say of any */
	bool blind; /* nobody can look at the queues here */
	bool partial; /* … at those of listeners from before the daemon */
	bool unseen; /* nobody could, the last time */
	bool unasked; /* who keeps a namespace that was at work is to be asked in the next interval */
	uint64_t failed_ns; /* when a line said that nobody could, the last time */
	uint64_t next_search_ns; /* for who keeps namespaces: not before */
};

/* Room for so many listeners in the arrays. False if memory is out. */
bool queues_make_room(struct queues *q, size_t room);

/* ---- listener_reports.c ---- */

void queues_report(const struct queues *q, const struct listener *p, enum listener_change change,
		   uint64_t mono_ns);
/* Report each listener that changed or is busy, since its last report. */
void queues_report_worthy(struct queues *q);
/* Is there nothing to say of it as long as it stays as it was at the last look? */
bool queues_stays_quiet(const struct listener *p);

/* ---- drops.c ---- */

/* Explain what the listeners of one namespace dropped since the last time. */
void queues_explain_drops(struct queues *q, struct book *b, struct listener **group, size_t count,
			  uint64_t now_ns);

/* ---- namespaces.c ---- */

/* It has a listener now: its counters are read from here on. */
void queues_begin_namespace(struct queues *q, const struct listener *p);
/* Explain the drops of all namespaces' listeners, or of one (`netns` not 0), and audit those at work. */
void queues_reconcile(struct queues *q, uint32_t netns, uint64_t now_ns);
/* Read the counters of a namespace without a listener, and audit what moved. False if they could not be read. */
bool queues_audit_book(struct queues *q, struct book *b, uint64_t now_ns);
/* Audit the namespaces without a listener, after the others. */
void queues_audit_clients(struct queues *q, uint64_t now_ns);

#endif
