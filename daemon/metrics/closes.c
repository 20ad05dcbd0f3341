// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/metrics/closes.h"

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

/* `how`: NULL for the time in a state. */
static void put_labels(struct exposition *e, const char *suffix, unsigned int role, const char *how)
{
	exposition_start(e, suffix);
	exposition_label(e, "role", role_word(role));
	if (how)
		exposition_label(e, "how", how);
}

static void put_histogram(struct exposition *e, const struct latency *l, unsigned int role, const char *how)
{
	uint64_t below = 0;

	for (unsigned int i = 0; i < LATENCY_BUCKETS; i++) {
		below += l->bucket[i];
		if ((i + 1) % LATENCY_SUB) /* one for each power of two */
			continue;
		put_labels(e, "_bucket", role, how);
		exposition_label(e, "le", duration_bound(i));
		exposition_value(e, below);
	}
	put_labels(e, "_sum", role, how);
	exposition_seconds(e, l->sum_ns);
	put_labels(e, "_count", role, how);
	exposition_value(e, below);
}

static bool is_empty(const struct latency *l)
{
	for (unsigned int i = 0; i < LATENCY_BUCKETS; i++)
		if (l->bucket[i])
			return false;
	return true;
}

static void put_times(const struct source *source, unsigned int which, const char *how, struct exposition *e)
{
	struct latency l;

	for (unsigned int role = 0; role <= ROLES; role++)
		if (source_close_time(source, which, role, &l) && !is_empty(&l))
			put_histogram(e, &l, role, how);
}

static void put_states(const struct counters *c, struct exposition *e)
{
	exposition_family(e, "tcpshake_closing_connections", METRIC_GAUGE, NULL,
			  "Connections in a state on the way to their end now, of those that entered it since the daemon runs. "
			  "Only sockets: a stub that the kernel keeps of a closed one, in FIN_WAIT2 or TIME_WAIT, is not among them.");
	for (int state = 0; state < CLOSE_STATES; state++) {
		exposition_start(e, "");
		exposition_label(e, "state", close_state_names[state]);
		/* The CPUs' parts are not read at one moment. */
		exposition_value(e, (int64_t)c->closing[state] > 0 ? c->closing[state] : 0);
	}
}

/* Each from the beginning on, so that a rate is right from the first one on. */
static void put_time_waits(const struct counters *c, struct exposition *e)
{
	exposition_family(e, "tcpshake_time_waits", METRIC_COUNTER, NULL,
			  "Connections that ended and left their ports taken: in TIME_WAIT, or on the way there. Of the active role it is "
			  "this host's own port.");
	for (unsigned int role = 0; role <= ROLES; role++) {
		put_labels(e, "_total", role, NULL);
		exposition_value(e, c->time_waits[role]);
	}
}

static void put_single(struct exposition *e, const char *suffix, uint64_t value)
{
	exposition_start(e, suffix);
	exposition_value(e, value);
}

void measure_closes(const struct source *source, const struct counters *c, struct exposition *e)
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
}
