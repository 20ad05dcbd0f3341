// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/metrics/distributions.h"

#include <stdio.h>

#include "bpf/counters.h"
#include "common/addr.h"
#include "daemon/host/identity.h"
#include "daemon/metrics/durations.h"

#define WAIT "tcpshake_listener_accept_wait_seconds"

static const struct {
	const char *depth, *depth_help, *crowded, *crowded_help, *omitted;
} of_queue[LISTENER_QUEUES] = {
	[QUEUE_ACCEPT] = { "tcpshake_listener_accept_queue_depth",
			   "How many waited for accept() before each connection that joined them.",
			   "tcpshake_listener_accept_queue_crowded",
			   "Of these, the connections that found more than 80 % of the limit there.", "depth" },
	[QUEUE_SYN] = { "tcpshake_listener_syn_queue_depth",
			"How many waited for their final ACK before each request that joined them, where that is observed.",
			"tcpshake_listener_syn_queue_crowded",
			"Of these, the requests that found more than 80 % of the limit there.", "syn_depth" },
};

/* Of one port: each has some 1,280 lines, and the daemon waits while they are written. */
#define FINE_LISTENERS 16

struct distributing {
	const struct events *events;
	unsigned int fine; /* listeners that had all buckets */
	struct exposition depth[LISTENER_QUEUES], crowded[LISTENER_QUEUES], wait;
	struct depth depths[LISTENER_QUEUES]; /* of the listener that is read */
	struct latency waits;
};

/* Those that are known; the rest has no such label. */
static void put_names(struct exposition *e, const struct container_names *names)
{
	if (names && names->name[0])
		exposition_label(e, "container", names->name);
	if (names && names->pod[0]) {
		exposition_label(e, "pod", names->pod);
		exposition_label(e, "namespace", names->namespace);
	}
}

void listener_series_start(struct exposition *e, const struct listener *p, const char *suffix)
{
	struct buf addr = {};

	addr_format(&addr, p->addr);
	buf_mem(&addr, "", 1);
	exposition_start(e, suffix);
	exposition_label_number(e, "netns", p->netns);
	exposition_label(e, "address", addr.data ? addr.data : "");
	exposition_label_number(e, "port", p->port);
	exposition_label_number(e, "socket", p->ordinal);
	exposition_label(e, "comm", p->owner_count ? p->owner[0].comm : "");
	if (e->containers)
		put_names(e, identity_names(e->containers, p->cgroup_id));
	buf_free(&addr);
}

static void put_bucket(struct exposition *e, const struct listener *p, const char *bound, uint64_t below)
{
	listener_series_start(e, p, "_bucket");
	exposition_label(e, "le", bound);
	exposition_value(e, below);
}

/* All buckets are wanted, not one for each power of two. */
static bool is_fine(const struct distributing *d, const struct listener *p)
{
	return p->port && p->port == d->wait.fine_port && d->fine < FINE_LISTENERS;
}

static void put_depth(struct exposition *e, const struct listener *p, const struct depth *d, bool fine)
{
	uint64_t below = 0;
	char bound[16];

	for (uint32_t i = 0; i < DEPTH_BUCKETS; i++) {
		uint32_t end = depth_bucket_start(i + 1);

		below += d->bucket[i];
		if (!fine && end & (end - 1))
			continue;
		snprintf(bound, sizeof(bound), "%u", end - 1);
		/* The last one holds what is above it, too. */
		put_bucket(e, p, i + 1 < DEPTH_BUCKETS ? bound : "+Inf", below);
	}
	listener_series_start(e, p, "_sum");
	exposition_value(e, d->sum);
	listener_series_start(e, p, "_count");
	exposition_value(e, below);
}

static void put_wait(struct exposition *e, const struct listener *p, const struct latency *l, bool fine)
{
	uint32_t step = fine ? 1 : LATENCY_SUB;
	uint64_t below = 0;

	for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
		below += l->bucket[i];
		if ((i + 1) % step == 0)
			put_bucket(e, p, duration_bound(i), below);
	}
	listener_series_start(e, p, "_sum");
	exposition_seconds(e, l->sum_ns);
	listener_series_start(e, p, "_count");
	exposition_value(e, below);
}

static void put_listener(void *ctx, struct listener *p)
{
	struct distributing *d = ctx;
	struct queue_place place = queues_place(d->events->queues, p);
	bool fine = is_fine(d, p), any;

	if (!p->measured)
		return;
	place.alone = false; /* what is the port's leaves it as a second listener comes, and a counter must not fall */
	any = source_wait(d->events->source, &place, &d->waits);
	if (any)
		put_wait(&d->wait, p, &d->waits, fine);
	for (int which = 0; which < LISTENER_QUEUES; which++) {
		struct depth *depth = &d->depths[which];

		if (!source_depth(d->events->source, which, &place, depth))
			continue;
		any = true;
		put_depth(&d->depth[which], p, depth, fine);
		listener_series_start(&d->crowded[which], p, "_total");
		exposition_value(&d->crowded[which], depth->crowded);
	}
	d->fine += fine && any;
}

static void put_omitted(struct exposition *e, const struct counters *c)
{
	exposition_family(e, "tcpshake_listener_distributions_omitted", METRIC_COUNTER, NULL,
			  "Connections and requests that are in no such distribution, for want of room.");
	for (int which = 0; which < LISTENER_QUEUES; which++)
		exposition_sample(e, c->depth_map_full[which], "of", of_queue[which].omitted);
	exposition_sample(e, c->wait_map_full, "of", "wait");
}

void distributions_put(const struct events *events, const struct counters *c, struct exposition *e)
{
	static struct distributing d; /* large, and only one is made at a time */

	d = (struct distributing){ .events = events, .wait = exposition_aside(e, WAIT) };
	for (int which = 0; which < LISTENER_QUEUES; which++) {
		d.depth[which] = exposition_aside(e, of_queue[which].depth);
		d.crowded[which] = exposition_aside(e, of_queue[which].crowded);
	}
	listeners_each(events->listeners, put_listener, &d);
	for (int which = 0; which < LISTENER_QUEUES; which++) {
		exposition_family(e, of_queue[which].depth, METRIC_HISTOGRAM, NULL, of_queue[which].depth_help);
		exposition_move(e, &d.depth[which]);
		exposition_family(e, of_queue[which].crowded, METRIC_COUNTER, NULL, of_queue[which].crowded_help);
		exposition_move(e, &d.crowded[which]);
	}
	exposition_family(e, WAIT, METRIC_HISTOGRAM, "seconds",
			  "From the end of the handshake to the return of accept(), where that is observed.");
	exposition_move(e, &d.wait);
	put_omitted(e, c);
}
