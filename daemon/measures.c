// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the metrics say. Names and units are Prometheus's conventions; docs/metrics.md lists them
 * with the bounds of their cardinality.
 */
#include "daemon.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/names.h"
#include "queue_record.h"
#include "segment_record.h"

#define LISTENERS_MAX 256 /* with series of their own */
#define NAMESPACES_MAX 64
#define COARSE_STEP LATENCY_SUB /* buckets of a port's histogram: one for each power of two */

static void put_total(struct exposition *e, const char *key, const char *value, uint64_t total)
{
	exposition_start(e, "_total");
	exposition_label(e, key, value);
	exposition_value(e, total);
}

/* ---- handshakes ---- */

static void put_handshakes(const struct daemon *d, const struct counters *c, struct exposition *e)
{
	exposition_family(e, "tcpshake_handshakes", METRIC_COUNTER, NULL,
			  "Handshakes that ended, seen from this host's side, by role and outcome.");
	for (int role = 0; role < ROLES; role++) {
		for (int outcome = 0; outcome < OUTCOMES; outcome++) {
			uint64_t inferred = role == ROLE_PASSIVE ? d->inferred[outcome] : 0;

			exposition_start(e, "_total");
			exposition_label(e, "role", role_names[role]);
			exposition_label(e, "outcome", outcome_names[outcome]);
			exposition_value(e, c->handshakes[role][outcome] + inferred);
		}
	}
	exposition_family(e, "tcpshake_handshake_causes", METRIC_COUNTER, NULL,
			  "Handshakes that failed, were retransmitted or were slow, by cause and "
			  "certainty; only of those in the stream.");
	for (int role = 0; role < ROLES; role++) {
		for (int code = CAUSE_NONE + 1; code < CAUSE_CODES; code++) {
			for (int proven = 0; proven < 2; proven++) {
				exposition_start(e, "_total");
				exposition_label(e, "role", role_names[role]);
				exposition_label(e, "cause", cause_names[code]);
				exposition_label(e, "certainty", proven ? "proven" : "probable");
				exposition_value(e, d->causes[role][code][proven]);
			}
		}
	}
}

struct measuring {
	struct exposition *e;
	bool by_port;
	uint64_t unknown[ROLES];
	struct latency sum[ROLES]; /* of what was established */
};

static void put_histogram(struct exposition *e, const char *role, const char *port,
			  const struct latency *l, unsigned int step)
{
	uint64_t below = 0;
	char bound[32];

	for (unsigned int i = 0; i < LATENCY_BUCKETS; i++) {
		below += l->bucket[i];
		if ((i + 1) % step)
			continue;
		/* The last bucket holds all that is above it, too: that is +Inf's. */
		if (i + 1 < LATENCY_BUCKETS)
			snprintf(bound, sizeof(bound), "%.9g", (double)latency_bucket_end(i) / 1e9);
		else
			snprintf(bound, sizeof(bound), "+Inf");
		exposition_start(e, "_bucket");
		exposition_label(e, "role", role);
		if (port)
			exposition_label(e, "port", port);
		exposition_label(e, "le", bound);
		exposition_value(e, below);
	}
	for (int what = 0; what < 2; what++) {
		exposition_start(e, what ? "_sum" : "_count");
		exposition_label(e, "role", role);
		if (port)
			exposition_label(e, "port", port);
		if (what)
			exposition_seconds(e, l->sum_ns);
		else
			exposition_value(e, below);
	}
}

static void add_up(void *ctx, const struct latency_key *key, const struct latency *l)
{
	struct measuring *m = ctx;
	struct latency *sum = &m->sum[key->role];
	char port[8] = "other";

	if (key->outcome != OUTCOME_ESTABLISHED)
		return;
	if (m->by_port) {
		if (key->port)
			snprintf(port, sizeof(port), "%u", key->port);
		put_histogram(m->e, role_names[key->role], port, l, COARSE_STEP);
		return;
	}
	m->unknown[key->role] += l->unknown;
	sum->sum_ns += l->sum_ns;
	for (int i = 0; i < LATENCY_BUCKETS; i++)
		sum->bucket[i] += l->bucket[i];
}

static void put_latencies(const struct daemon *d, struct exposition *e)
{
	struct measuring m = { .e = e };

	source_latencies(d->source, add_up, &m);
	exposition_family(e, "tcpshake_handshake_duration_seconds", METRIC_HISTOGRAM, "seconds",
			  "From the first SYN, or SYN-ACK, to ESTABLISHED; buckets 1/16 of a power of two.");
	for (int role = 0; role < ROLES; role++)
		put_histogram(e, role_names[role], NULL, &m.sum[role], 1);
	exposition_family(e, "tcpshake_handshake_duration_unknown", METRIC_COUNTER, NULL,
			  "Established handshakes whose latency the kernel cannot vouch for: SYN cookies, "
			  "beginnings not seen.");
	for (int role = 0; role < ROLES; role++)
		put_total(e, "role", role_names[role], m.unknown[role]);
	m.by_port = true;
	exposition_family(e, "tcpshake_port_handshake_duration_seconds", METRIC_HISTOGRAM, "seconds",
			  "The same by the server's port; buckets of a power of two.");
	source_latencies(d->source, add_up, &m);
}

/* ---- segments, queues ---- */

static void put_segments(const struct counters *c, struct exposition *e)
{
	exposition_family(e, "tcpshake_retransmits", METRIC_COUNTER, NULL,
			  "SYNs and SYN-ACKs sent again.");
	put_total(e, "segment", "syn", c->retransmits[SEGMENT_SYN]);
	put_total(e, "segment", "syn_ack", c->retransmits[SEGMENT_SYN_ACK]);
	exposition_family(e, "tcpshake_resets", METRIC_COUNTER, NULL,
			  "RSTs sent and received, by cause.");
	for (int direction = 0; direction < DIRECTIONS; direction++) {
		for (int cause = 0; cause < RESET_CAUSES; cause++) {
			bool received = cause == RESET_REFUSED || cause == RESET_PEER;

			if (received != (direction == RESET_RECEIVED))
				continue;
			exposition_start(e, "_total");
			exposition_label(e, "direction", direction == RESET_SENT ? "sent" : "received");
			exposition_label(e, "cause", reset_cause_name(cause));
			exposition_value(e, c->resets[direction][cause]);
		}
	}
}

static void put_refusals(const struct daemon *d, struct exposition *e)
{
	exposition_family(e, "tcpshake_overflows", METRIC_COUNTER, NULL,
			  "SYNs and final ACKs that a queue refused, by stage, queue and action.");
	for (int stage = 0; stage < STAGES; stage++) {
		for (int queue = 0; queue < QUEUES; queue++) {
			for (int action = 0; action < ACTIONS; action++) {
				if (!overflow_possible(stage, queue, action))
					continue;
				exposition_start(e, "_total");
				exposition_label(e, "stage", overflow_stage_name(stage));
				exposition_label(e, "queue", overflow_queue_name(queue));
				exposition_label(e, "action", overflow_action_name(action));
				exposition_value(e, queues_refused(d->queues, stage, queue, action));
			}
		}
	}
}

enum listener_measure {
	MEASURE_LENGTH,
	MEASURE_LIMIT,
	MEASURE_PEAK,
	MEASURE_SYN_LENGTH,
	MEASURE_OLDEST,
	MEASURE_REFUSED_SYN,
	MEASURE_REFUSED_ACK,
	MEASURES,
};

static const struct {
	const char *name;
	enum metric_type type;
	const char *unit, *help;
} listener_measures[MEASURES] = {
	[MEASURE_LENGTH] = { "tcpshake_listener_accept_queue_length", METRIC_GAUGE, NULL,
			     "Connections that wait for accept()." },
	[MEASURE_LIMIT] = { "tcpshake_listener_accept_queue_limit", METRIC_GAUGE, NULL,
			    "The backlog that holds; the queue takes one more." },
	[MEASURE_PEAK] = { "tcpshake_listener_accept_queue_peak", METRIC_GAUGE, NULL,
			   "The most that waited since the interval before the last one." },
	[MEASURE_SYN_LENGTH] = { "tcpshake_listener_syn_queue_length", METRIC_GAUGE, NULL,
				 "Requests that wait for their final ACK." },
	[MEASURE_OLDEST] = { "tcpshake_listener_oldest_wait_seconds", METRIC_GAUGE, "seconds",
			     "How long the first connection in the accept queue has waited; 0 if it is "
			     "empty." },
	[MEASURE_REFUSED_SYN] = { "tcpshake_listener_refused_syns", METRIC_COUNTER, NULL,
				  "SYNs that its queues refused." },
	[MEASURE_REFUSED_ACK] = { "tcpshake_listener_refused_acks", METRIC_COUNTER, NULL,
				  "Final ACKs that its accept queue refused." },
};

struct listing {
	struct exposition *e;
	enum listener_measure measure;
	unsigned int count;
};

static void put_listener(void *ctx, struct listener *p)
{
	struct listing *l = ctx;
	const struct listener_sample *s = &p->sample;
	const uint64_t value[MEASURES] = {
		[MEASURE_LENGTH] = s->accept_len,
		[MEASURE_LIMIT] = s->accept_max,
		[MEASURE_PEAK] = p->peak_last > s->accept_len ? p->peak_last : s->accept_len,
		[MEASURE_SYN_LENGTH] = s->syn_len,
		[MEASURE_OLDEST] = s->accept_len && s->oldest_ns && s->oldest_ns <= s->mono_ns ?
					   s->mono_ns - s->oldest_ns :
					   0,
		[MEASURE_REFUSED_SYN] = p->refused.syn,
		[MEASURE_REFUSED_ACK] = p->refused.ack,
	};
	struct buf addr = {}, socket = {};

	if (!p->sampled || ++l->count > LISTENERS_MAX)
		return;
	addr_format(&addr, p->addr);
	buf_mem(&addr, "", 1);
	buf_hex64(&socket, p->socket);
	buf_mem(&socket, "", 1);
	exposition_start(l->e, listener_measures[l->measure].type == METRIC_COUNTER ? "_total" : "");
	exposition_label_number(l->e, "netns", p->netns);
	exposition_label(l->e, "address", addr.data ? addr.data : "");
	exposition_label_number(l->e, "port", p->port);
	exposition_label(l->e, "socket", socket.data ? socket.data : "");
	exposition_label(l->e, "comm", p->owner_count ? p->owner[0].comm : "");
	if (l->measure == MEASURE_OLDEST)
		exposition_seconds(l->e, value[l->measure]);
	else
		exposition_value(l->e, value[l->measure]);
	buf_free(&addr);
	buf_free(&socket);
}

static void put_listeners(const struct daemon *d, struct exposition *e)
{
	struct listing l = { .e = e };

	for (int i = 0; i < MEASURES; i++) {
		l = (struct listing){ .e = e, .measure = i };
		exposition_family(e, listener_measures[i].name, listener_measures[i].type,
				  listener_measures[i].unit, listener_measures[i].help);
		listeners_each(d->listeners, put_listener, &l);
	}
	exposition_family(e, "tcpshake_listeners", METRIC_GAUGE, NULL, "Listeners that are known.");
	exposition_start(e, "");
	exposition_value(e, listeners_count(d->listeners));
	exposition_family(e, "tcpshake_listeners_omitted", METRIC_GAUGE, NULL,
			  "Of these, those without series of their own.");
	exposition_start(e, "");
	exposition_value(e, l.count > LISTENERS_MAX ? l.count - LISTENERS_MAX : 0);
}

/* ---- the daemon itself ---- */

static void put_events(const struct daemon *d, const struct counters *c, struct exposition *e)
{
	static const char *const fates[] = { "delivered", "filtered", "limited", "lost" };
	uint64_t seen = 0;

	for (int role = 0; role < ROLES; role++)
		for (int outcome = 0; outcome < OUTCOMES; outcome++)
			seen += c->handshakes[role][outcome];
	exposition_family(e, "tcpshake_events_seen", METRIC_COUNTER, NULL,
			  "Events of the kernel side, by kind: the sum of what became of them.");
	for (int kind = 0; kind < EVENT_KINDS; kind++)
		put_total(e, "kind", record_type_names[record_of_kind[kind]],
			  kind == EVENT_HANDSHAKE ? seen : c->events[kind]);
	exposition_family(e, "tcpshake_events", METRIC_COUNTER, NULL, "What became of them.");
	for (int kind = 0; kind < EVENT_KINDS; kind++) {
		const uint64_t fate[] = { c->delivered[kind], c->filtered[kind], c->limited[kind],
					  c->ring_full[kind] };

		for (int i = 0; i < 4; i++) {
			exposition_start(e, "_total");
			exposition_label(e, "kind", record_type_names[record_of_kind[kind]]);
			exposition_label(e, "fate", fates[i]);
			exposition_value(e, fate[i]);
		}
	}
	exposition_family(e, "tcpshake_missed_events", METRIC_COUNTER, NULL,
			  "Events that the kernel skipped, for a program was running on that CPU.");
	exposition_start(e, "_total");
	exposition_value(e, source_missed(d->source));
}

static void add_feed(void *ctx, struct feed *feed)
{
	uint64_t *sum = ctx;

	if (!feed_is_subscribed(feed))
		return;
	sum[0]++;
	sum[1] += feed_records(feed);
	sum[2] += feed_lost(feed);
}

static void put_number(struct exposition *e, const char *name, enum metric_type type,
		       const char *help, uint64_t value)
{
	exposition_family(e, name, type, NULL, help);
	exposition_start(e, type == METRIC_COUNTER ? "_total" : "");
	exposition_value(e, value);
}

static void put_feeds(const struct daemon *d, struct exposition *e)
{
	uint64_t sum[3] = {};

	sinks_each(d->sinks, add_feed, sum);
	put_number(e, "tcpshake_feeds", METRIC_GAUGE, "Readers of records.", sum[0]);
	put_number(e, "tcpshake_feed_records", METRIC_GAUGE,
		   "Records written to the readers that there are.", sum[1]);
	put_number(e, "tcpshake_feed_lost", METRIC_GAUGE,
		   "Records that they were too slow for.", sum[2]);
}

static void put_cost(void *ctx, const struct program_cost *cost)
{
	struct listing *l = ctx;

	exposition_start(l->e, "_total");
	exposition_label(l->e, "program", cost->name);
	if (l->count)
		exposition_value(l->e, cost->runs);
	else
		exposition_seconds(l->e, cost->run_ns);
}

static uint64_t resident_bytes(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%*u %lu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void put_daemon(const struct daemon *d, struct exposition *e)
{
	struct listing l = { .e = e };
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	exposition_family(e, "process_cpu_seconds", METRIC_COUNTER, "seconds",
			  "CPU time of the daemon; BPF programs run on the traffic's account.");
	exposition_start(e, "_total");
	exposition_seconds(e, ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) *
					      NSEC_PER_SEC +
				      ((uint64_t)usage.ru_utime.tv_usec +
				       (uint64_t)usage.ru_stime.tv_usec) * 1000);
	exposition_family(e, "process_resident_memory_bytes", METRIC_GAUGE, "bytes",
			  "Resident memory of the daemon.");
	exposition_start(e, "");
	exposition_value(e, resident_bytes());
	exposition_family(e, "process_start_time_seconds", METRIC_GAUGE, "seconds",
			  "When the daemon started, in seconds since the epoch.");
	exposition_start(e, "");
	exposition_seconds(e, d->start_ns + (uint64_t)d->offset_ns);
	exposition_family(e, "tcpshake_bpf_run_seconds", METRIC_COUNTER, "seconds",
			  "Time in each BPF program, while kernel.bpf_stats_enabled is set.");
	source_costs(d->source, put_cost, &l);
	l.count = 1;
	exposition_family(e, "tcpshake_bpf_runs", METRIC_COUNTER, NULL,
			  "Runs of each BPF program, while kernel.bpf_stats_enabled is set.");
	source_costs(d->source, put_cost, &l);
	exposition_family(e, "tcpshake_build_info", METRIC_GAUGE, NULL, "Always 1.");
	exposition_start(e, "");
	exposition_label(e, "version", TCPSHAKE_VERSION);
	exposition_value(e, 1);
}

static void put_audits(const struct daemon *d, struct exposition *e)
{
	exposition_family(e, "tcpshake_audit_difference", METRIC_GAUGE, NULL,
			  "The kernel's counter less what was seen, in the last interval that was "
			  "audited, where no rule explains it.");
	queues_measure_audits(d->queues, e, NAMESPACES_MAX);
}

void measures_put(void *ctx, struct exposition *e)
{
	struct daemon *d = ctx;
	struct counters c;

	flow_drain(d);
	if (source_counters(d->source, &c))
		memset(&c, 0, sizeof(c));
	put_handshakes(d, &c, e);
	put_latencies(d, e);
	put_segments(&c, e);
	put_refusals(d, e);
	put_listeners(d, e);
	put_audits(d, e);
	put_events(d, &c, e);
	put_feeds(d, e);
	put_daemon(d, e);
}
