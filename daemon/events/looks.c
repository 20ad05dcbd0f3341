// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/events/looks.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/host/process.h"

#define RESCAN_MIN_S 1
#define RESCAN_MAX_S 64
#define SCAN_REST 20 /* scans take 5 % of a CPU at most */
#define BELIEVED_NS NSEC_PER_SEC
#define QUIET_MS 1
#define LAST_RUNS_NS NSEC_PER_SEC

void looks_init(struct looks *l, uint64_t interval_ns)
{
	l->pace.wanted_ns = l->pace.interval_ns = interval_ns;
	l->scan_backoff_s = RESCAN_MIN_S;
}

void looks_drain(struct looks *l)
{
	int events = source_drain(l->source);

	if (events < 0)
		log_error("reading the ring buffer failed: %s", strerror(-events));
	else if (events && l->busy)
		l->busy(l->busy_ctx);
	sinks_flush(l->emit->sinks);
}

/* What is counted and what is in the ring agree once nothing is counted while that is read. */
void looks_drain_last(struct looks *l, struct counters *counted)
{
	const uint64_t deadline_ns = clock_mono_ns() + LAST_RUNS_NS;
	struct counters before;

	do {
		source_counters(l->source, &before);
		poll(NULL, 0, QUIET_MS);
		looks_drain(l);
		source_counters(l->source, counted);
	} while (memcmp(&before, counted, sizeof(before)) != 0 && clock_mono_ns() < deadline_ns);
}

void looks_at_queues(struct looks *l, bool all)
{
	uint64_t begin_ns;

	looks_drain(l); /* what the looks are reconciled with comes first */
	begin_ns = clock_cpu_ns();
	l->last_ns = clock_mono_ns();
	queues_interval(l->queues, l->last_ns, all);
	sinks_flush(l->emit->sinks);
	l->cost_ns = clock_cpu_ns() - begin_ns;
	l->cpu_ns += l->cost_ns;
	l->count++;
	queues_leave_dead(l->queues, l->last_ns);
	sinks_flush(l->emit->sinks);
}

/* A scan of that process, or of all for 0, is paid for before there is another one. */
static int scan(struct looks *l, uint32_t pid)
{
	uint64_t begin_ns = clock_cpu_ns(), now_ns;
	int err = source_scan_listeners(l->source, pid);

	now_ns = clock_mono_ns();
	l->scan_paid_ns = now_ns + SCAN_REST * (clock_cpu_ns() - begin_ns);
	if (err && log_is_due(&l->scan_logged_ns, now_ns))
		log_warning("cannot look for the owners of listeners: %s; going on, trying again", strerror(-err));
	return err;
}

void looks_scan(struct looks *l)
{
	int err;

	looks_drain(l); /* what waits is about the listeners as they were */
	listeners_scan_begin(l->listeners);
	err = scan(l, 0);
	if (!err)
		listeners_scan_end(l->listeners);
	l->scan_wanted = l->opened = err;
}

void looks_scan_process(struct looks *l, uint32_t pid)
{
	if (clock_mono_ns() < l->scan_paid_ns || scan(l, pid))
		l->scan_wanted = true; /* one scan of all, later, is for all that wait */
}

static bool process_alive(uint32_t pid)
{
	return kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

/*
 * A scan walks all open files of the host: only when an owner is missing, and less and less often
 * if that does not find it (a socket of the kernel has none).
 */
void looks_scan_if_needed(struct looks *l, uint64_t now_ns)
{
	if (now_ns < l->next_scan_ns || now_ns < l->scan_paid_ns)
		return;
	if (!l->scan_wanted && !l->opened && !listeners_orphaned(l->listeners, process_alive)) {
		l->scan_backoff_s = RESCAN_MIN_S;
		return;
	}
	looks_scan(l);
	l->next_scan_ns = now_ns + l->scan_backoff_s * NSEC_PER_SEC;
	if (l->scan_backoff_s < RESCAN_MAX_S)
		l->scan_backoff_s *= 2;
}

/* It has another name than it had, if one can be compared: it has replaced itself (exec) or renamed itself. */
static bool is_renamed(const struct listener_owner *owner, const struct process_state *now)
{
	return !strchr(now->comm, '\\') && strncmp(owner->comm, now->comm, COMM_LEN) != 0;
}

static bool is_same(struct looks *l, const struct listener_owner *owner)
{
	struct process_state now;

	if (process_read(owner->pid, &now))
		return true;
	if (now.start != owner->start)
		return false;
	if (is_renamed(owner, &now)) {
		l->scan_wanted = true; /* what it holds is known at once, and who else does soon */
		looks_scan_process(l, owner->pid);
	}
	return true;
}

static bool believe(struct looks *l, const struct listener_owner *owner, uint64_t now_ns)
{
	struct belief *b = &l->beliefs[owner->pid % BELIEFS];
	struct belief fresh = { owner->pid, owner->start, now_ns + BELIEVED_NS };

	if (!owner->start || (b->pid == owner->pid && b->start == owner->start && now_ns < b->until_ns))
		return true;
	if (is_same(l, owner)) {
		*b = fresh;
		return true;
	}
	listeners_disown(l->listeners, fresh.pid);
	l->scan_wanted = true;
	return false;
}

const struct listener_owner *looks_owner(struct looks *l, const struct arrival *a)
{
	const struct listener_owner *owner;

	do {
		owner = listeners_owner(l->listeners, a);
	} while (owner && !believe(l, owner, a->mono_ns));
	l->scan_wanted |= owner && owner_is_manager(owner); /* it may have started the service since */
	return owner;
}

void looks_believe_owners(struct looks *l, const struct listener *p, uint64_t now_ns)
{
	for (uint32_t i = 0; i < p->owner_count;)
		i = believe(l, &p->owner[i], now_ns) ? i + 1 : 0; /* it leaves its place to another */
}
