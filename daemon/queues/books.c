// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/queues/books.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/counters.h"
#include "common/clock.h"

#define LOCALS_AGE_NS (5 * NSEC_PER_SEC) /* how old its addresses may be */

struct book *books_get(struct books *books, uint32_t netns)
{
	struct book *b = books->first;

	while (b && b->netns != netns)
		b = b->next;
	if (!b) {
		b = calloc(1, sizeof(*b));
		if (!b)
			return NULL;
		b->files = (struct netstat_files)NETSTAT_CLOSED;
		b->netns = netns;
		b->next = books->first;
		books->first = b;
	}
	b->used = true;
	return b;
}

static void book_free(struct book *b)
{
	netstat_close(&b->files);
	locals_free(&b->locals);
	free(b);
}

static void sweep(struct books *books, struct source *source, bool (*stays)(struct book *b))
{
	struct book **p = &books->first;

	while (*p) {
		struct book *b = *p;

		if (stays(b)) {
			p = &b->next;
		} else {
			*p = b->next;
			source_forget_namespace(source, b->netns);
			book_free(b);
		}
	}
}

static bool was_used(struct book *b)
{
	bool used = b->used;

	b->used = false;
	return used;
}

static bool is_alive(struct book *b)
{
	return !b->dead;
}

void books_sweep(struct books *books, struct source *source)
{
	sweep(books, source, was_used);
}

void books_sweep_dead(struct books *books, struct source *source)
{
	sweep(books, source, is_alive);
}

void books_free(struct books *books)
{
	while (books->first) {
		struct book *b = books->first;

		books->first = b->next;
		book_free(b);
	}
}

static void add_counters(struct book *b, const struct netstat *now)
{
	const uint64_t *old = b->last.value, *new = now->value;

	b->left.overflows += new[NETSTAT_LISTEN_OVERFLOWS] - old[NETSTAT_LISTEN_OVERFLOWS];
	b->left.drops += new[NETSTAT_LISTEN_DROPS] - old[NETSTAT_LISTEN_DROPS];
	b->left.reqq_drops += new[NETSTAT_REQQ_FULL_DROP] - old[NETSTAT_REQQ_FULL_DROP];
	b->left.reqq_cookies += new[NETSTAT_REQQ_FULL_COOKIES] - old[NETSTAT_REQQ_FULL_COOKIES];
	b->left.no_routes += new[NETSTAT_NO_ROUTES] - old[NETSTAT_NO_ROUTES];
	b->left.no_routes += new[NETSTAT_NO_ROUTES6] - old[NETSTAT_NO_ROUTES6];
	b->left.blurs += new[NETSTAT_EMBRYONIC_RSTS] - old[NETSTAT_EMBRYONIC_RSTS];
	b->left.blurs += new[NETSTAT_SYNCOOKIES_RECV] - old[NETSTAT_SYNCOOKIES_RECV];
	b->moved |= memcmp(old, new, sizeof(now->value)) != 0;
}

static uint64_t openings(const struct namespace_counts *n)
{
	return n->begun + n->accepted + n->failed + n->resets + n->request_resets + n->aborts +
	       n->retransmits + n->timeouts + n->synacks + n->cookies + n->waited;
}

bool book_open(struct book *b, uint32_t pid)
{
	if (b->files.fd[0] >= 0)
		return true;
	if (netstat_open(&b->files, pid, b->netns))
		return false;
	b->pid = pid;
	return true;
}

/* Attempts of which no event shows yet that the kernel has counted them. */
static uint64_t under_way(const struct namespace_counts *n)
{
	return n->begun > n->decided ? n->begun - n->decided : 0;
}

bool book_read(struct book *b, const struct source *source)
{
	struct namespace_counts before, after;
	struct netstat now = {};

	source_namespace(source, b->netns, &before);
	if (b->files.fd[0] < 0) {
		b->seen = before; /* that it moved until now is known */
		return false;
	}
	if (netstat_read(&b->files, &now))
		return false;
	now.value[NETSTAT_NO_ROUTES6] = b->last.value[NETSTAT_NO_ROUTES6];
	if (!b->known || now.value[NETSTAT_LISTEN_DROPS] != b->last.value[NETSTAT_LISTEN_DROPS])
		netstat_read_ipv6(&b->files, &now); /* only then is it asked for */
	source_namespace(source, b->netns, &after);
	b->window = openings(&after) - openings(&before);
	b->under_way = under_way(&before);
	if (b->known) {
		add_counters(b, &now);
	} else {
		b->first = now;
		b->first_ns = clock_mono_ns();
		b->first_seen = after;
		b->first_window = b->window;
		b->first_under_way = b->under_way;
		source_missed(source, b->first_missed);
		memset(b->recorded, 0, sizeof(b->recorded)); /* the kernel's are counted from here, too */
		b->known = true;
	}
	b->moved |= openings(&after) != openings(&b->seen);
	b->last = now;
	b->seen = after;
	b->idle = 0;
	return true;
}

bool book_has_address(struct book *b, const uint8_t *addr, uint64_t now_ns)
{
	if (!b->locals_ns || now_ns - b->locals_ns > LOCALS_AGE_NS) {
		locals_read(&b->locals, b->files.fib_trie, b->files.if_inet6);
		b->locals_ns = now_ns;
	}
	return locals_have(&b->locals, addr);
}

bool book_openings_moved(const struct book *b, const struct source *source)
{
	struct namespace_counts now;

	source_namespace(source, b->netns, &now);
	return openings(&now) != openings(&b->seen);
}

void book_reported(struct book *b, const struct overflow_finding *f, uint64_t cookies)
{
	b->recorded[NETSTAT_SYNCOOKIES_RECV] += cookies;
	if (f->action == ACTION_COOKIE) {
		b->recorded[NETSTAT_REQQ_FULL_COOKIES] += f->count;
		return;
	}
	b->recorded[NETSTAT_LISTEN_DROPS] += f->count;
	if (f->code == CODE_ACCEPT_QUEUE_FULL)
		b->recorded[NETSTAT_LISTEN_OVERFLOWS] += f->count;
	else if (f->code == CODE_SYN_QUEUE_FULL)
		b->recorded[NETSTAT_REQQ_FULL_DROP] += f->count;
}

/* Attempts whose SYN may wait for the first data. */
static uint64_t waiting(const struct namespace_counts *n)
{
	return n->may_wait > n->waited ? n->may_wait - n->waited : 0;
}

static void observe(struct book *b, uint64_t *observed)
{
	const struct namespace_counts *seen = &b->seen, *first = &b->first_seen;

	memcpy(observed, b->recorded, sizeof(b->recorded));
	observed[NETSTAT_ACTIVE_OPENS] =
		(seen->begun - seen->unsent - waiting(seen)) - (first->begun - first->unsent - waiting(first));
	observed[NETSTAT_PASSIVE_OPENS] = seen->accepted - first->accepted;
	observed[NETSTAT_ATTEMPT_FAILS] = (seen->failed + seen->request_resets) -
					  (first->failed + first->request_resets);
	observed[NETSTAT_OUT_RSTS] = seen->resets - first->resets;
	observed[NETSTAT_EMBRYONIC_RSTS] = (seen->request_resets + seen->aborts) -
					   (first->request_resets + first->aborts);
	observed[NETSTAT_REQQ_FULL_COOKIES] += b->left.plain_cookies;
	observed[NETSTAT_SYNCOOKIES_SENT] = observed[NETSTAT_REQQ_FULL_COOKIES];
	observed[NETSTAT_SYNCOOKIES_RECV] += seen->cookies - first->cookies;
	observed[NETSTAT_SYN_RETRANS] = (seen->retransmits + seen->synacks) -
					(first->retransmits + first->synacks);
	observed[NETSTAT_TIMEOUTS] = (seen->timeouts + seen->synacks) -
				     (first->timeouts + first->synacks);
}

/* Runs that the kernel skipped: only where something differs, for each program is asked. */
static void skipped_since(const struct book *b, const struct source *source, struct audit_books *now)
{
	if (memcmp(now->kernel, now->observed, sizeof(now->observed)) == 0)
		return;
	source_missed(source, now->missed);
	for (int kind = 0; kind < MISSED_KINDS; kind++)
		now->missed[kind] -= b->first_missed[kind];
}

bool book_audit(struct book *b, const struct source *source, uint64_t now_ns)
{
	const struct namespace_counts *seen = &b->seen, *first = &b->first_seen;
	const uint64_t since = b->audited_ns ? b->audited_ns : b->first_ns;
	struct audit_books now = {
		.synacks = seen->synacks - first->synacks,
		.unreported = source_unreported(source),
		.unexplained_drops = b->left.no_full_queue,
		.pending = b->left.overflows + b->left.reqq_drops + b->left.reqq_cookies,
		.waiting = waiting(seen),
		.first_waiting = waiting(first),
		.under_way = b->under_way,
		.first_under_way = b->first_under_way,
		.unbegun = seen->unbegun - first->unbegun,
		.pending_drops = b->left.drops,
		.window = b->first_window + b->window,
		.cpus = (uint32_t)sysconf(_SC_NPROCESSORS_CONF),
	};

	if (!b->known || !b->moved || now_ns <= since) /* a listener's end may be older */
		return false;
	observe(b, now.observed);
	for (int i = 0; i < NETSTAT_COUNTERS; i++)
		now.kernel[i] = b->last.value[i] - b->first.value[i];
	skipped_since(b, source, &now);
	b->balanced = audit_compare(&b->audited, &now, b->rows);
	b->interval_ns = now_ns - since;
	b->audited_ns = now_ns;
	b->moved = false;
	return true;
}
