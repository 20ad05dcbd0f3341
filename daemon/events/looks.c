// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/events/looks.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

#define RESCAN_MIN_S 1
#define RESCAN_MAX_S 64

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
}

void looks_scan(struct looks *l)
{
	int err;

	looks_drain(l); /* what waits is about the listeners as they were */
	listeners_scan_begin(l->listeners);
	err = source_scan_listeners(l->source, 0);
	if (err)
		log_debug("cannot look for listeners: %s", strerror(-err));
	else
		listeners_scan_end(l->listeners);
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
	if (now_ns < l->next_scan_ns)
		return;
	if (!l->scan_wanted && !l->opened && !listeners_orphaned(l->listeners, process_alive)) {
		l->scan_backoff_s = RESCAN_MIN_S;
		return;
	}
	looks_scan(l);
	l->scan_wanted = l->opened = false;
	l->next_scan_ns = now_ns + l->scan_backoff_s * NSEC_PER_SEC;
	if (l->scan_backoff_s < RESCAN_MAX_S)
		l->scan_backoff_s *= 2;
}
