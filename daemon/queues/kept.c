// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Namespaces that ended. The open files of a namespace's counters keep it alive, so that its last interval can be
 * audited; once nothing else does, they are closed. And namespaces whose files are not open, for the process that made
 * a socket there was in another one, or had left: any process in them will do.
 */
#include "daemon/queues/queues_internal.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/host/netns.h"

#define PROC "/proc"
#define REST 50 /* searches take 2 % of a CPU at most */
#define ASK_AFTER_NS (NSEC_PER_SEC / 2)
#define ASK_AFTER_MOST_NS (64 * NSEC_PER_SEC)

/* A listener that was looked at keeps its namespace. What was at work in this interval is asked for in the next one. */
static bool is_doubtful(struct queues *q, const struct book *b)
{
	if (b->files.fd[0] < 0 || b->held)
		return false;
	if (!b->idle) {
		q->unasked = true;
		return false;
	}
	return !netns_holds(PROC, b->pid, b->netns);
}

static int by_netns(const void *a, const void *b)
{
	const struct netns_kept *x = a, *y = b;

	return (x->netns > y->netns) - (x->netns < y->netns);
}

static bool is_closed(const struct book *b, uint64_t now_ns)
{
	return b->files.fd[0] < 0 && now_ns >= b->ask_ns;
}

/* Those of which it is not known who keeps them, or who is in them; how many. */
static size_t collect(struct queues *q, struct netns_kept *kept, uint64_t now_ns)
{
	size_t count = 0;

	for (struct book *b = q->books.first; b; b = b->next) {
		bool closed = is_closed(b, now_ns);

		if (closed || is_doubtful(q, b))
			kept[count++] = (struct netns_kept){ .netns = b->netns, .inside = closed };
		b->held = false;
	}
	qsort(kept, count, sizeof(*kept), by_netns);
	return count;
}

/* 0 or a negative errno: nothing is to be concluded of those that nothing was found for. */
static int search(struct queues *q, struct netns_kept *kept, size_t count, uint64_t now_ns)
{
	uint64_t begin_ns = clock_cpu_ns();
	int err = netns_find(PROC, kept, count);

	q->next_search_ns = now_ns + REST * (clock_cpu_ns() - begin_ns);
	if (err)
		log_debug("cannot find out who keeps %zu network namespaces: %s", count, strerror(-err));
	return err;
}

/* One that nobody was found in is asked for again, less and less often. */
static void open_closed(struct queues *q, struct book *b, const struct netns_kept *kept, uint64_t now_ns)
{
	if (kept->pid && book_open(b, kept->pid))
		book_read(b, q->source);
	b->ask_after_ns = b->ask_after_ns ? 2 * b->ask_after_ns : ASK_AFTER_NS;
	if (b->ask_after_ns > ASK_AFTER_MOST_NS)
		b->ask_after_ns = ASK_AFTER_MOST_NS;
	b->ask_ns = now_ns + b->ask_after_ns;
}

static void note(struct queues *q, struct book *b, const struct netns_kept *kept)
{
	if (kept->pid)
		b->pid = kept->pid;
	if (kept->pid || kept->mounted)
		return;
	queues_audit_book(q, b, clock_mono_ns()); /* what came since the look of this interval */
	b->dead = true;
}

void queues_leave_dead(struct queues *q, uint64_t now_ns)
{
	size_t books = 0, count;
	struct netns_kept *kept;

	q->unasked = false;
	for (const struct book *b = q->books.first; b; b = b->next)
		books++;
	kept = books ? calloc(books, sizeof(*kept)) : NULL;
	count = kept ? collect(q, kept, now_ns) : 0;
	if (count && now_ns >= q->next_search_ns && search(q, kept, count, now_ns) == 0) {
		for (struct book *b = q->books.first; b; b = b->next) {
			const struct netns_kept key = { .netns = b->netns };
			const struct netns_kept *found = bsearch(&key, kept, count, sizeof(*kept), by_netns);

			if (found && found->inside)
				open_closed(q, b, found, now_ns);
			else if (found)
				note(q, b, found);
		}
	}
	free(kept);
	books_sweep_dead(&q->books, q->source);
}
