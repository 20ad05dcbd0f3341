// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/metrics/closes.h"

#include <stdio.h>
#include <stdlib.h>

#include "bpf/maps.h"
#include "common/array.h"
#include "common/names.h"
#include "daemon/metrics/durations.h"

static const char *role_word(unsigned int role)
{
	return role < ROLES ? role_names[role] : "unknown";
}

static const char *first_word(int first)
{
	return close_first_names[first] ? close_first_names[first] : first == FIRST_NOBODY ? "none" : "unknown";
}

/* Only what was met. */
static void put_ends(const struct counters *c, struct exposition *e)
{
	exposition_family(e, "tcpshake_closes", METRIC_COUNTER, NULL,
			  "Connections that ended, seen from this host's side: who sent a FIN or a RST first, and how.");
	for (unsigned int role = 0; role <= ROLES; role++) {
		for (int i = 0; i < FIRSTS * HOWS; i++) {
			int first = i / HOWS, how = i % HOWS;

			if (!c->closes[role][first][how])
				continue;
			exposition_start(e, "_total");
			exposition_label(e, "role", role_word(role));
			exposition_label(e, "first", first_word(first));
			exposition_label(e, "how", close_how_names[how]);
			exposition_value(e, c->closes[role][first][how]);
		}
	}
}

/* NULL, or 0: it has no such label. */
struct labels {
	const char *role, *how, *port;
	uint32_t netns;
};

static void put_labels(struct exposition *e, const char *suffix, const struct labels *l)
{
	exposition_start(e, suffix);
	if (l->role)
		exposition_label(e, "role", l->role);
	if (l->how)
		exposition_label(e, "how", l->how);
	if (l->netns)
		exposition_label_number(e, "netns", l->netns);
	if (l->port)
		exposition_label(e, "port", l->port);
}

/* A bucket for each power of two, which is the sum of `each` of those that are given. */
static void put_histogram(struct exposition *e, const struct labels *labels, const __u64 *bucket, unsigned int each,
			  uint64_t sum_ns)
{
	uint64_t below = 0;

	for (unsigned int power = 0; power < PORT_BUCKETS; power++) {
		for (unsigned int i = 0; i < each; i++)
			below += *bucket++;
		put_labels(e, "_bucket", labels);
		exposition_label(e, "le", duration_bound((power + 1) * LATENCY_SUB - 1));
		exposition_value(e, below);
	}
	put_labels(e, "_sum", labels);
	exposition_seconds(e, sum_ns);
	put_labels(e, "_count", labels);
	exposition_value(e, below);
}

static bool is_empty(const __u64 *bucket, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (bucket[i])
			return false;
	return true;
}

/* `how`: NULL for the time in a state. */
static void put_times(const struct source *source, unsigned int which, const char *how, struct exposition *e)
{
	struct latency l;

	for (unsigned int role = 0; role <= ROLES; role++)
		if (source_close_time(source, which, role, &l) && !is_empty(l.bucket, LATENCY_BUCKETS))
			put_histogram(e, &(struct labels){ .role = role_word(role), .how = how }, l.bucket,
				      LATENCY_SUB, l.sum_ns);
}

static void put_state(struct exposition *e, const struct labels *labels, int state, int64_t count)
{
	put_labels(e, "", labels);
	exposition_label(e, "state", close_state_names[state]);
	exposition_value(e, count > 0 ? count : 0); /* what is read together was not counted at one moment */
}

static void put_states(const struct counters *c, struct exposition *e)
{
	exposition_family(e, "tcpshake_closing_connections", METRIC_GAUGE, NULL,
			  "Connections in a state on the way to their end now, of those that entered it since the daemon runs. "
			  "Only sockets: a stub that the kernel keeps of a closed one, in FIN_WAIT2 or TIME_WAIT, is not among them.");
	for (int state = 0; state < CLOSE_STATES; state++)
		put_state(e, &(struct labels){ .role = NULL }, state, (int64_t)c->closing[state]);
}

/* Each from the beginning on, so that a rate is right from the first one on. */
static void put_time_waits(const struct counters *c, struct exposition *e)
{
	exposition_family(e, "tcpshake_time_waits", METRIC_COUNTER, NULL,
			  "Connections that ended and left their ports taken: in TIME_WAIT, or on the way there. Of the active role it is "
			  "this host's own port.");
	for (unsigned int role = 0; role <= ROLES; role++) {
		put_labels(e, "_total", &(struct labels){ .role = role_word(role) });
		exposition_value(e, c->time_waits[role]);
	}
}

/* ---- by port ---- */

struct port_ends {
	struct latency_series series;
	struct close_port sum;
};

/* All of them, read once a scrape. */
struct ports {
	struct exposition *e;
	struct port_ends *all;
	size_t count, room;
};

static void keep_port(void *ctx, const struct latency_series *series, const struct close_port *sum)
{
	struct ports *ports = ctx;
	struct port_ends *port = ARRAY_ADD(ports->all, ports->count, ports->room);

	if (port)
		*port = (struct port_ends){ *series, *sum };
	else
		ports->e->text.failed = true;
}

/* `time`: enum port_time, or PORT_TIMES for how many are in each state now. */
static void put_port(struct exposition *e, const struct port_ends *p, int time)
{
	char port[8] = "other";
	const struct labels labels = { .netns = p->series.netns, .port = port };

	if (p->series.port)
		snprintf(port, sizeof(port), "%u", p->series.port);
	if (time < PORT_TIMES) {
		const struct port_spread *spread = &p->sum.spread[time];

		if (!is_empty(spread->bucket, PORT_BUCKETS))
			put_histogram(e, &labels, spread->bucket, 1, spread->sum_ns);
		return;
	}
	for (int state = 0; state < CLOSE_STATES; state++)
		put_state(e, &labels, state, p->sum.closing[state]);
}

static void put_ports(struct source *source, struct exposition *e)
{
	static const struct {
		const char *name[ROLES], *help;
	} families[PORT_TIMES + 1] = {
		[PORT_DURATION] = { { "tcpshake_remote_port_connection_duration_seconds",
				      "tcpshake_listener_connection_duration_seconds" },
				    "From ESTABLISHED to CLOSE, by port." },
		[PORT_CLOSE_WAIT] = { { "tcpshake_remote_port_close_wait_seconds",
					"tcpshake_listener_close_wait_seconds" },
				      "In CLOSE_WAIT, by port; of connections that ended." },
		[PORT_FIN_WAIT2] = { { "tcpshake_remote_port_fin_wait2_seconds",
				       "tcpshake_listener_fin_wait2_seconds" },
				     "In FIN_WAIT2, by port, of sockets that were open yet." },
		[PORT_LAST_ACK] = { { "tcpshake_remote_port_last_ack_seconds",
				      "tcpshake_listener_last_ack_seconds" },
				    "In LAST_ACK, by port." },
		[PORT_TIMES] = { { "tcpshake_remote_port_closing_connections",
				   "tcpshake_listener_closing_connections" },
				 "Connections in a state on the way to their end now, by port." },
	};
	struct ports ports = { .e = e };

	source_close_ports(source, keep_port, &ports);
	for (int time = 0; time <= PORT_TIMES; time++) {
		for (enum role role = 0; role < ROLES; role++) {
			bool gauge = time == PORT_TIMES;

			exposition_family(e, families[time].name[role], gauge ? METRIC_GAUGE : METRIC_HISTOGRAM,
					  gauge ? NULL : "seconds", families[time].help);
			for (size_t i = 0; i < ports.count; i++)
				if (ports.all[i].series.role == role)
					put_port(e, &ports.all[i], time);
		}
	}
	free(ports.all);
}

static void put_single(struct exposition *e, const char *suffix, uint64_t value)
{
	exposition_start(e, suffix);
	exposition_value(e, value);
}

void measure_closes(struct source *source, const struct counters *c, struct exposition *e)
{
	if (!source_sees_ends(source))
		return;
	put_ends(c, e);
	put_states(c, e);
	put_time_waits(c, e);
	exposition_family(e, "tcpshake_local_ports", METRIC_GAUGE, NULL,
			  "Local ports that connect() chooses from, in the daemon's namespace as it started.");
	put_single(e, "", source_local_ports(source));
	exposition_family(e, "tcpshake_connection_duration_seconds", METRIC_HISTOGRAM, "seconds",
			  "From ESTABLISHED to CLOSE, of connections whose beginning was seen; buckets of a power of two.");
	for (int how = 0; how < HOWS; how++)
		put_times(source, (unsigned int)how, close_how_names[how], e);
	exposition_family(e, "tcpshake_close_wait_seconds", METRIC_HISTOGRAM, "seconds",
			  "In CLOSE_WAIT: from the peer's FIN until the application closed; of connections that ended.");
	put_times(source, TIME_CLOSE_WAIT, NULL, e);
	exposition_family(e, "tcpshake_fin_wait2_seconds", METRIC_HISTOGRAM, "seconds",
			  "In FIN_WAIT2, of sockets that were open yet: until the peer's FIN.");
	put_times(source, TIME_FIN_WAIT2, NULL, e);
	exposition_family(e, "tcpshake_last_ack_seconds", METRIC_HISTOGRAM, "seconds",
			  "In LAST_ACK: from this side's FIN, which came second, to its ACK.");
	put_times(source, TIME_LAST_ACK, NULL, e);
	put_ports(source, e);
}
