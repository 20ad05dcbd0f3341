// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/metrics/measures.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bpf/counters.h"
#include "bpf/maps.h"
#include "common/clock.h"
#include "common/names.h"
#include "daemon/metrics/distributions.h"
#include "daemon/metrics/closes.h"
#include "daemon/metrics/connects.h"
#include "daemon/metrics/drops.h"
#include "daemon/metrics/durations.h"
#include "daemon/records/queue_record.h"
#include "daemon/records/segment_record.h"

#define LISTENERS_MAX 256 /* with series of their own */
#define NAMESPACES_MAX 64

static void put_number(struct exposition *e, const char *name, enum metric_type type,
		       const char *help, uint64_t value)
{
	exposition_family(e, name, type, NULL, help);
	exposition_sample(e, value);
}

/* ---- handshakes ---- */

static void put_handshakes(const struct events *events, const struct counters *c, struct exposition *e)
{
	exposition_family(e, "tcpshake_handshakes", METRIC_COUNTER, NULL,
			  "Handshakes that ended, seen from this host's side, by role and outcome.");
	for (int role = 0; role < ROLES; role++) {
		for (int outcome = 0; outcome < OUTCOMES; outcome++) {
			uint64_t inferred = role == ROLE_PASSIVE ? events->handshakes.inferred[outcome] : 0;

			exposition_sample(e, c->handshakes[role][outcome] + inferred, "role", role_names[role],
					  "outcome", outcome_names[outcome]);
		}
	}
	exposition_family(e, "tcpshake_handshake_causes", METRIC_COUNTER, NULL,
			  "Handshakes that failed, were retransmitted or were slow, by cause and "
			  "certainty; only of those in the stream.");
	for (int role = 0; role < ROLES; role++)
		for (int code = CAUSE_NONE + 1; code < CAUSE_CODES; code++)
			for (int proven = 0; proven < 2; proven++)
				exposition_sample(e, events->handshakes.causes[role][code][proven],
						  "role", role_names[role], "cause", cause_names[code],
						  "certainty", certainty_names[proven]);
}

/* ---- segments, queues ---- */

static void put_segments(const struct counters *c, struct exposition *e)
{
	exposition_family(e, "tcpshake_retransmits", METRIC_COUNTER, NULL,
			  "SYNs and SYN-ACKs sent again.");
	exposition_sample(e, c->retransmits[SEGMENT_SYN], "segment", "syn");
	exposition_sample(e, c->retransmits[SEGMENT_SYN_ACK], "segment", "syn_ack");
	exposition_family(e, "tcpshake_resets", METRIC_COUNTER, NULL,
			  "RSTs sent and received, by cause.");
	for (int direction = 0; direction < DIRECTIONS; direction++) {
		for (int cause = 0; cause < RESET_CAUSES; cause++) {
			bool received = cause == RESET_REFUSED || cause == RESET_PEER;

			if (received == (direction == RESET_RECEIVED))
				exposition_sample(e, counters_resets(c, direction, cause),
						  "direction", received ? "received" : "sent",
						  "cause", reset_cause_names[cause]);
		}
	}
}

static void put_refusals(const struct events *events, struct exposition *e)
{
	exposition_family(e, "tcpshake_overflows", METRIC_COUNTER, NULL,
			  "SYNs and final ACKs that a queue refused, by stage, queue and action.");
	for (int stage = 0; stage < STAGES; stage++)
		for (int queue = 0; queue < QUEUES; queue++)
			for (int action = 0; action < ACTIONS; action++)
				if (overflow_possible(stage, queue, action))
					exposition_sample(e, queues_refused(events->queues, stage, queue, action),
							  "stage", stage_names[stage], "queue", queue_names[queue],
							  "action", action_names[action]);
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
			   "The most that waited in the last 30 to 60 s." },
	[MEASURE_SYN_LENGTH] = { "tcpshake_listener_syn_queue_length", METRIC_GAUGE, NULL,
				 "Requests that wait for their final ACK." },
	[MEASURE_OLDEST] = { "tcpshake_listener_oldest_wait_seconds", METRIC_GAUGE, "seconds",
			     "How long the first connection in the accept queue has waited; 0 if it is "
			     "empty." },
	[MEASURE_REFUSED_SYN] = { "tcpshake_listener_refused_syns", METRIC_COUNTER, NULL,
				  "SYNs that its queues refused, as far as their listener is known." },
	[MEASURE_REFUSED_ACK] = { "tcpshake_listener_refused_acks", METRIC_COUNTER, NULL,
				  "Final ACKs that its accept queue refused, likewise." },
};

struct listing {
	struct exposition *e;
	enum listener_measure measure;
	struct listeners *listeners;
	struct listener *new; /* to be measured from now on */
	struct listener *idle; /* measured, and has nothing to say */
	bool busy; /* only those with something to say */
	uint32_t measured;
	uint64_t ordinals; /* that are taken */
};

static bool same_place(const struct listener *a, const struct listener *b)
{
	return a->netns == b->netns && a->port == b->port && memcmp(a->addr, b->addr, 16) == 0;
}

static void mark_ordinal(void *ctx, struct listener *p)
{
	struct listing *l = ctx;

	if (p->measured && same_place(p, l->new))
		l->ordinals |= 1ULL << p->ordinal;
}

/* Does its series say more than nought? */
static bool is_busy(const struct listener *p)
{
	return p->sample.accept_len || listener_peak(p, QUEUE_ACCEPT) || p->refused.syn || p->refused.ack;
}

static void find_idle(void *ctx, struct listener *p)
{
	struct listing *l = ctx;

	if (p->measured && !is_busy(p))
		l->idle = p;
}

/* A busy listener takes the place of one whose series are all nought. */
static bool make_place(struct listing *l)
{
	l->idle = NULL;
	listeners_each(l->listeners, find_idle, l);
	if (!l->idle)
		return false;
	l->idle->measured = false;
	l->measured--;
	return true;
}

/*
 * Who gets series keeps them until it closes, or a busy one needs the place of an idle one. Several may share a namespace, address and port
 * (SO_REUSEPORT): a small number distinguishes them that a successor gets again.
 */
static void choose(void *ctx, struct listener *p)
{
	struct listing *l = ctx;

	if (p->measured || !p->sampled || (l->busy && !is_busy(p)))
		return;
	if (l->measured >= LISTENERS_MAX && (!l->busy || !make_place(l)))
		return;
	l->new = p;
	l->ordinals = 0;
	listeners_each(l->listeners, mark_ordinal, l);
	if (l->ordinals == UINT64_MAX)
		return; /* 64 are enough of one port */
	p->ordinal = (uint16_t)__builtin_ctzll(~l->ordinals);
	p->measured = true;
	l->measured++;
}

static void count_measured(void *ctx, struct listener *p)
{
	struct listing *l = ctx;

	l->measured += p->measured;
}

static void put_listener(void *ctx, struct listener *p)
{
	struct listing *l = ctx;
	const struct listener_sample *s = &p->sample;
	const uint64_t value[MEASURES] = {
		[MEASURE_LENGTH] = s->accept_len,
		[MEASURE_LIMIT] = s->accept_max,
		[MEASURE_PEAK] = listener_peak(p, QUEUE_ACCEPT),
		[MEASURE_SYN_LENGTH] = s->syn_len,
		[MEASURE_OLDEST] = s->accept_len && s->oldest_ns && s->oldest_ns <= s->mono_ns ?
					   s->mono_ns - s->oldest_ns :
					   0,
		[MEASURE_REFUSED_SYN] = p->refused.syn,
		[MEASURE_REFUSED_ACK] = p->refused.ack,
	};

	if (!p->measured)
		return;
	listener_series_start(l->e, p, listener_measures[l->measure].type == METRIC_COUNTER ? "_total" : "");
	if (l->measure == MEASURE_OLDEST)
		exposition_seconds(l->e, value[l->measure]);
	else
		exposition_value(l->e, value[l->measure]);
}

static void put_listeners(const struct events *events, struct exposition *e)
{
	struct listing l = { .e = e, .listeners = events->listeners, .busy = true };

	listeners_each(events->listeners, count_measured, &l);
	listeners_each(events->listeners, choose, &l);
	l.busy = false;
	listeners_each(events->listeners, choose, &l);
	for (int i = 0; i < MEASURES; i++) {
		l.measure = i;
		exposition_family(e, listener_measures[i].name, listener_measures[i].type,
				  listener_measures[i].unit, listener_measures[i].help);
		listeners_each(events->listeners, put_listener, &l);
	}
	put_number(e, "tcpshake_listeners", METRIC_GAUGE, "Listeners that are known.",
		   listeners_count(events->listeners));
	put_number(e, "tcpshake_listeners_omitted", METRIC_GAUGE,
		   "Of these, those without series of their own.",
		   listeners_count(events->listeners) - l.measured);
}

/* ---- the daemon itself ---- */

static void put_events(const struct events *events, const struct counters *c, struct exposition *e)
{
	uint64_t missed[MISSED_KINDS], sum = 0;
	struct fate fate;

	exposition_family(e, "tcpshake_events_seen", METRIC_COUNTER, NULL,
			  "What might become a record, by kind: the sum of what became of it.");
	for (int type = 0; type < RECORD_TYPES; type++)
		if (tally_fate(&events->emit.tallies, c, type, &fate))
			exposition_sample(e, fate.seen, "kind", record_type_names[type]);
	exposition_family(e, "tcpshake_events", METRIC_COUNTER, NULL, "What became of it.");
	for (int type = 0; type < RECORD_TYPES; type++) {
		const char *kind = record_type_names[type];

		if (!tally_fate(&events->emit.tallies, c, type, &fate))
			continue;
		exposition_sample(e, fate.delivered, "kind", kind, "fate", "delivered");
		exposition_sample(e, fate.filtered, "kind", kind, "fate", "filtered");
		exposition_sample(e, fate.limited, "kind", kind, "fate", "limited");
		exposition_sample(e, fate.lost, "kind", kind, "fate", "lost");
	}
	source_missed(events->source, missed);
	for (int kind = 0; kind < MISSED_KINDS; kind++)
		sum += missed[kind];
	put_number(e, "tcpshake_missed_events", METRIC_COUNTER,
		   "Events that the kernel skipped, for a program was running on that CPU.", sum);
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

static void put_feeds(const struct events *events, struct exposition *e)
{
	uint64_t sum[3] = {};

	sinks_gone(events->emit.sinks, &sum[1], &sum[2]);
	sinks_each(events->emit.sinks, add_feed, sum);
	put_number(e, "tcpshake_feeds", METRIC_GAUGE, "Readers of records.", sum[0]);
	put_number(e, "tcpshake_feed_records", METRIC_COUNTER,
		   "Records put to readers, those that went away included.", sum[1]);
	put_number(e, "tcpshake_feed_lost", METRIC_COUNTER,
		   "Records that readers were too slow for.", sum[2]);
}

static void put_cost(void *ctx, const struct program_cost *cost)
{
	exposition_sample_seconds(ctx, cost->run_ns, "program", cost->name);
}

static void put_runs(void *ctx, const struct program_cost *cost)
{
	exposition_sample(ctx, cost->runs, "program", cost->name);
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

static void put_map_memory(void *ctx, const char *map, uint64_t bytes)
{
	exposition_sample(ctx, bytes, "map", map);
}

static void put_daemon(const struct events *events, struct exposition *e)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	exposition_family(e, "process_cpu_seconds", METRIC_COUNTER, "seconds",
			  "CPU time of the daemon; BPF programs run on the traffic's account.");
	exposition_sample_seconds(e, (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NSEC_PER_SEC +
				  (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000);
	exposition_family(e, "process_resident_memory_bytes", METRIC_GAUGE, "bytes",
			  "Resident memory of the daemon.");
	exposition_sample(e, resident_bytes());
	exposition_family(e, "tcpshake_map_memory_bytes", METRIC_GAUGE, "bytes",
			  "Kernel memory of each BPF map, which is not in the daemon's resident memory.");
	source_map_memory(events->source, put_map_memory, e);
	exposition_family(e, "process_start_time_seconds", METRIC_GAUGE, "seconds",
			  "When the daemon started, in seconds since the epoch.");
	exposition_sample_seconds(e, events->answers.start_ns + (uint64_t)events->emit.offset_ns);
	exposition_family(e, "tcpshake_look_interval_seconds", METRIC_GAUGE, "seconds",
			  "From one look at listeners and audit to the next: as asked, or longer so that it "
			  "takes 1 % of a CPU at most.");
	exposition_sample_seconds(e, events->looks.pace.interval_ns);
	exposition_family(e, "tcpshake_look_cpu_seconds", METRIC_COUNTER, "seconds",
			  "CPU time of the daemon for these looks.");
	exposition_sample_seconds(e, events->looks.cpu_ns);
	put_number(e, "tcpshake_looks", METRIC_COUNTER, "Looks at listeners and audit.", events->looks.count);
	exposition_family(e, "tcpshake_bpf_run_seconds", METRIC_COUNTER, "seconds",
			  "Time in each BPF program, while kernel.bpf_stats_enabled is set.");
	source_costs(events->source, put_cost, e);
	exposition_family(e, "tcpshake_bpf_runs", METRIC_COUNTER, NULL,
			  "Runs of each BPF program, while kernel.bpf_stats_enabled is set.");
	source_costs(events->source, put_runs, e);
	exposition_family(e, "tcpshake_build_info", METRIC_GAUGE, NULL, "Always 1.");
	exposition_sample(e, 1, "version", TCPSHAKE_VERSION);
}

struct audit_series {
	struct exposition *e;
	unsigned int room; /* for so many namespaces more */
};

/* The differences of an audit that no rule explains: of the last interval, or those of all added up. */
static void put_audit(void *ctx, const struct audit_report *r)
{
	struct audit_series *s = ctx;

	if (!s->room)
		return;
	s->room--;
	for (int i = 0; i < AUDIT_COUNTERS; i++) {
		exposition_start(s->e, s->e->counter ? "_total" : "");
		exposition_label_number(s->e, "netns", r->netns);
		exposition_label(s->e, "counter", r->rows[i].name);
		if (s->e->counter)
			exposition_value(s->e, r->unexplained[i]);
		else
			exposition_signed(s->e, r->rows[i].rule ? 0 : r->rows[i].difference);
	}
}

static void put_audits(const struct events *events, struct exposition *e)
{
	exposition_family(e, "tcpshake_audit_difference", METRIC_GAUGE, NULL,
			  "The kernel's counter less what was seen, in the last interval that was "
			  "audited, where no rule explains it.");
	queues_each_audit(events->queues, put_audit, &(struct audit_series){ e, NAMESPACES_MAX });
	exposition_family(e, "tcpshake_audit_unexplained", METRIC_COUNTER, NULL,
			  "Such differences of all audits, without their signs, added up.");
	queues_each_audit(events->queues, put_audit, &(struct audit_series){ e, NAMESPACES_MAX });
	exposition_family(e, "tcpshake_audits", METRIC_COUNTER, NULL,
			  "Audits of namespaces, by whether all that differs is explained.");
	exposition_sample(e, queues_audits(events->queues, true), "balanced", "true");
	exposition_sample(e, queues_audits(events->queues, false), "balanced", "false");
}

static void put_limits(const struct limits *l, struct exposition *e)
{
	for (int limit = 0; limit < LIMITS; limit++)
		if (l->known & 1U << limit)
			exposition_sample(e, l->reached[limit], "server", l->server, "limit", limit_names[limit]);
}

void measures_put_limits(const struct limits *const *limits, int count, struct exposition *e)
{
	exposition_family(e, "tcpshake_limits_reached", METRIC_COUNTER, NULL,
			  "Clients of the socket and of the metrics that were closed or refused, by the limit that "
			  "they reached.");
	for (int i = 0; i < count; i++)
		if (limits[i])
			put_limits(limits[i], e);
}

/* The labels of a scrape's series agree: names are looked for now, and not again before its end. */
static void look_for_names(void *ctx, struct listener *p)
{
	identity_names(ctx, p->cgroup_id);
}

static void put_of_listeners(struct events *events, const struct counters *c, struct exposition *e)
{
	if (e->containers)
		listeners_each(events->listeners, look_for_names, e->containers);
	identity_hold_names(events->identity, true);
	put_listeners(events, e);
	distributions_put(events, c, e);
	identity_hold_names(events->identity, false);
}

void measures_put(struct events *events, struct exposition *e)
{
	struct counters c;

	looks_drain(&events->looks);
	if (source_counters(events->source, &c))
		memset(&c, 0, sizeof(c));
	put_handshakes(events, &c, e);
	durations_put(events->source, e);
	put_segments(&c, e);
	measure_drops(events->source, e);
	measure_closes(events->source, &c, e);
	measure_connects(events->source, e);
	put_refusals(events, e);
	put_of_listeners(events, &c, e);
	put_audits(events, e);
	put_events(events, &c, e);
	put_feeds(events, e);
	put_daemon(events, e);
}
