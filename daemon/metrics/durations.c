// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/metrics/durations.h"

#include <stdio.h>

#include "common/names.h"

#define COARSE_STEP LATENCY_SUB /* one bucket for each power of two, where there are many series */

#define DURATION "tcpshake_handshake_duration_seconds"
#define FAILED "tcpshake_failed_handshake_duration_seconds"
#define LISTENER "tcpshake_listener_handshake_duration_seconds"
#define REMOTE "tcpshake_remote_port_handshake_duration_seconds"

struct durations {
	struct exposition failed, ports[ROLES];
	struct latency established[ROLES];
	uint64_t taken[ROLES]; /* ports with a histogram of their own */
};

const char *duration_bound(unsigned int bucket)
{
	static char bounds[LATENCY_BUCKETS][24];
	char *text = bounds[bucket];

	if (bucket + 1 == LATENCY_BUCKETS)
		return "+Inf"; /* it holds all that is above it, too */
	if (!*text)
		snprintf(text, sizeof(bounds[0]), "%.12g", (double)latency_bucket_end(bucket) / 1e9);
	return text;
}

static void put_labels(struct exposition *e, const struct latency_series *series, const char *port)
{
	if (!port) {
		exposition_label(e, "role", role_names[series->role]);
		if (series->outcome != OUTCOME_ESTABLISHED)
			exposition_label(e, "outcome", outcome_names[series->outcome]);
		return;
	}
	if (series->netns)
		exposition_label_number(e, "netns", series->netns);
	exposition_label(e, "port", port);
}

/* `port`: NULL, if it is by role and outcome. */
static void put_histogram(struct exposition *e, const struct latency_series *series,
			  const char *port, const struct latency *l, unsigned int step)
{
	uint64_t below = 0;

	for (unsigned int i = 0; i < LATENCY_BUCKETS; i++) {
		below += l->bucket[i];
		if ((i + 1) % step)
			continue;
		exposition_start(e, "_bucket");
		put_labels(e, series, port);
		exposition_label(e, "le", duration_bound(i));
		exposition_value(e, below);
	}
	exposition_start(e, "_sum");
	put_labels(e, series, port);
	exposition_seconds(e, l->sum_ns);
	exposition_start(e, "_count");
	put_labels(e, series, port);
	exposition_value(e, below);
}

static void take(void *ctx, const struct latency_series *series, const struct latency *l)
{
	struct durations *d = ctx;
	struct latency *sum = &d->established[series->role];
	struct exposition *ports = &d->ports[series->role];
	bool fine = series->port && series->port == ports->fine_port;
	char port[8] = "other";

	if (series->outcome == OUTCOME_DENIED) /* at once: it takes no time */
		return;
	if (series->outcome != OUTCOME_ESTABLISHED) {
		put_histogram(&d->failed, series, NULL, l, COARSE_STEP);
		return;
	}
	sum->unknown += l->unknown;
	sum->sum_ns += l->sum_ns;
	for (int i = 0; i < LATENCY_BUCKETS; i++)
		sum->bucket[i] += l->bucket[i];
	if (series->port) {
		d->taken[series->role]++;
		snprintf(port, sizeof(port), "%u", series->port);
	}
	put_histogram(ports, series, port, l, fine ? 1 : COARSE_STEP);
}

static void put_totals(const struct durations *d, struct exposition *e)
{
	struct latency_series series = { .outcome = OUTCOME_ESTABLISHED };

	exposition_family(e, DURATION, METRIC_HISTOGRAM, "seconds",
			  "From the first SYN, or SYN-ACK, to ESTABLISHED; buckets of 3.2 % or less.");
	for (int role = 0; role < ROLES; role++) {
		series.role = role;
		put_histogram(e, &series, NULL, &d->established[role], 1);
	}
	exposition_family(e, "tcpshake_handshake_duration_unknown", METRIC_COUNTER, NULL,
			  "Established handshakes whose latency the kernel cannot vouch for: SYN cookies, "
			  "beginnings not seen.");
	for (int role = 0; role < ROLES; role++)
		exposition_sample(e, d->established[role].unknown, "role", role_names[role]);
}

static void put_taken(const struct durations *d, struct exposition *e)
{
	static const char *const kinds[ROLES] = { "remote_port", "listener" };

	exposition_family(e, "tcpshake_port_histograms", METRIC_GAUGE, NULL,
			  "Ports with a histogram of their own: of 256 of listeners, 64 remote ones.");
	for (int role = 0; role < ROLES; role++)
		exposition_sample(e, d->taken[role], "kind", kinds[role]);
}

void durations_put(struct source *source, struct exposition *e)
{
	static struct durations d; /* large, and only one is made at a time */

	d = (struct durations){ .failed = exposition_aside(e, FAILED),
				.ports = { [ROLE_ACTIVE] = exposition_aside(e, REMOTE),
					   [ROLE_PASSIVE] = exposition_aside(e, LISTENER) } };
	source_latencies(source, take, &d);
	put_totals(&d, e);
	exposition_family(e, FAILED, METRIC_HISTOGRAM, "seconds",
			  "From the first SYN, or SYN-ACK, to the failure; buckets of a power of two.");
	exposition_move(e, &d.failed);
	exposition_family(e, LISTENER, METRIC_HISTOGRAM, "seconds",
			  "Established passive handshakes by the listener's namespace and port; buckets of "
			  "a power of two.");
	exposition_move(e, &d.ports[ROLE_PASSIVE]);
	exposition_family(e, REMOTE, METRIC_HISTOGRAM, "seconds",
			  "Established active handshakes by the remote port; buckets of a power of two.");
	exposition_move(e, &d.ports[ROLE_ACTIVE]);
	put_taken(&d, e);
}
