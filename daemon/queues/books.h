/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For each network namespace with a listener: the kernel's counters, and what we saw of them. */
#ifndef TCPSHAKE_BOOKS_H
#define TCPSHAKE_BOOKS_H

#include "bpf/counters.h"
#include "daemon/host/locals.h"
#include "daemon/host/netstat.h"
#include "daemon/kernel/source.h"
#include "daemon/queues/audit.h"
#include "daemon/queues/listeners.h"
#include "daemon/queues/overflow.h"

struct book {
	struct book *next;
	uint32_t netns;
	bool used; /* since the last sweep: by a listener, or by connections opened */
	bool visited; /* in this interval */
	bool held; /* a listener that was looked at keeps the namespace */
	uint32_t pid; /* a process that was in the namespace when it was last asked; the files are open then */
	bool dead; /* nothing keeps the namespace but the files */
	uint64_t ask_ns; /* while the files are not open: when to look for a process in it, and */
	uint64_t ask_after_ns; /* … how long to wait if there is none */
	bool known; /* the counters were read, and `first` holds them */
	bool moved; /* since the last audit */
	unsigned int idle; /* intervals since they were read, or since they could not be */
	struct netstat_files files;
	struct locals locals; /* as they were at locals_ns */
	uint64_t locals_ns;
	struct netstat first, last;
	struct namespace_counts first_seen, seen;
	struct overflow_counters left; /* what no listener explains yet */
	struct overflow_counters unseen; /* … as it was the last time, where nobody can look at them */
	struct overflow_view reported; /* by events since then */
	uint64_t recorded[AUDIT_COUNTERS]; /* refusals in records, by the counter they move */
	uint64_t first_window, window; /* openings seen while the counters were read */
	uint64_t first_under_way, under_way; /* attempts that the kernel may not have counted right before that */
	uint64_t first_missed[MISSED_KINDS]; /* runs that the kernel had skipped until then */
	uint64_t first_ns; /* when `first` was read */
	struct audit_books audited;
	uint64_t audited_ns; /* of the last audit, 0 if there was none; it said: */
	uint64_t interval_ns;
	uint64_t doubted; /* of left.no_full_queue: reported with the reason */
	bool balanced;
	struct audit_row rows[AUDIT_COUNTERS];
	uint64_t unexplained[AUDIT_COUNTERS]; /* differences of all audits that no rule explains */
};

struct books {
	struct book *first;
};

/* That of a namespace, made if it is new; NULL if memory is out. It counts as used. */
struct book *books_get(struct books *books, uint32_t netns);
/* Forget those that were not used since the last sweep, on the kernel side as well. */
void books_sweep(struct books *books, struct source *source);
/* The same of dead namespaces. */
void books_sweep_dead(struct books *books, struct source *source);
void books_free(struct books *books);

/* Open the counters through a process that should be in the namespace. False if it is not. */
bool book_open(struct book *b, uint32_t pid);
/* Read the counters, once they are open. What moved is added to `left`. False if they could not be read. */
bool book_read(struct book *b, const struct source *source);

/* Is it an address of the namespace? False if that is not known. */
bool book_has_address(struct book *b, const uint8_t *addr, uint64_t now_ns);

/* Have connections been opened in the namespace since the last reading? */
bool book_openings_moved(const struct book *b, const struct source *source);

/* A refusal is in a record. Of final ACKs, `cookies` were of a SYN cookie. */
void book_reported(struct book *b, const struct overflow_finding *f, uint64_t cookies);

/* Compare, if anything moved, and keep the result. False if there is nothing new to say. */
bool book_audit(struct book *b, const struct source *source, uint64_t now_ns);

#endif
