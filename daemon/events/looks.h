/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is fetched, for nothing hands it on: events that wait, the listeners' queues, their owners. */
#ifndef TCPSHAKE_LOOKS_H
#define TCPSHAKE_LOOKS_H

#include "daemon/events/emit.h"
#include "daemon/kernel/source.h"
#include "daemon/queues/listeners.h"
#include "daemon/queues/pace.h"
#include "daemon/queues/queues.h"

/* That a process is the one that it was, as it was last seen; by its number. */
struct belief {
	uint32_t pid, start;
	uint64_t until_ns;
};

#define BELIEFS 64

struct looks {
	struct source *source;
	struct queues *queues;
	struct listeners *listeners;
	struct emit *emit;
	struct pace pace; /* of the looks at queues */
	uint64_t last_ns; /* when the last one was */
	uint64_t cost_ns; /* the CPU time that it took */
	uint64_t count, cpu_ns; /* of all of them */
	bool scan_wanted; /* an owner is missing */
	bool opened; /* a listener, since the last scan */
	uint64_t next_scan_ns;
	uint64_t scan_paid_ns; /* no scan before: what the last one cost is paid for then */
	uint64_t scan_logged_ns; /* that one failed */
	unsigned int scan_backoff_s;
	void (*busy)(void *ctx); /* called when events came; may be NULL */
	void *busy_ctx;
	struct belief beliefs[BELIEFS];
};

/* `interval_ns`: from one look at the queues to the next. */
void looks_init(struct looks *l, uint64_t interval_ns);

/* Fetch every event that waits, and write out the records. */
void looks_drain(struct looks *l);
/*
 * The last time, once the programs are detached: the kernel does that in the background, and some run until then. `counted` becomes
 * what the kernel side has counted of all that was fetched.
 */
void looks_drain_last(struct looks *l, struct counters *counted);
/* Look at all listeners' queues, and at the books of all namespaces or only of those at work. */
void looks_at_queues(struct looks *l, bool all);
/* Find the owners of all listeners. What fails is tried again. */
void looks_scan(struct looks *l);
/* Find what this process holds: at once, or with all others' if scans have cost too much lately. */
void looks_scan_process(struct looks *l, uint32_t pid);
/* The same, if one may be missing. */
void looks_scan_if_needed(struct looks *l, uint64_t now_ns);

/*
 * listeners_owner(), if its number is still that process's: asked of /proc once a second. If not, it owns nothing
 * any more, and a scan finds who does. One that is gone is believed: what it did, it did.
 */
const struct listener_owner *looks_owner(struct looks *l, const struct arrival *arrival);
/* Leave out those owners of a listener whose number is another process's at that time. */
void looks_believe_owners(struct looks *l, const struct listener *listener, uint64_t now_ns);

#endif
