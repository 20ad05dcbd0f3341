// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/records/reports.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "bpf/counters.h"
#include "common/json.h"
#include "common/names.h"

#define SCHEMA_VERSION "1.7"

static void put_boot_id(struct buf *b)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	char id[64] = "";

	if (f && fgets(id, sizeof(id), f))
		id[strcspn(id, "\n")] = '\0';
	if (f)
		fclose(f);
	json_string(b, "boot_id", *id ? id : NULL);
}

static void put_host(struct buf *b)
{
	struct utsname host;

	uname(&host);
	json_string(b, "version", TCPSHAKE_VERSION);
	json_string(b, "schema", SCHEMA_VERSION);
	json_string(b, "host", host.nodename);
	put_boot_id(b);
	json_string(b, "kernel", host.release);
}

/* What the kernel did not grant: why, and what that costs. */
static void put_refusal(struct buf *b, const struct capability *c)
{
	json_string(b, "error", capability_error(c));
	json_string(b, "without", c->without);
}

static void put_filter(struct buf *b, const char *key, const struct filter *f)
{
	json_object(b, key);
	for (int i = 0; i < FILTER_KEYS; i++)
		if (f->text[i])
			json_string(b, filter_keys[i], f->text[i]);
	buf_lit(b, "}");
}

void report_hello(struct buf *b, const struct source *source, const struct filter *filter,
		  const struct filter *subscription)
{
	size_t count;
	const struct capability *c = source_capabilities(source, &count);

	put_host(b);
	json_string(b, "evidence", source_evidence(source));
	json_object(b, "capabilities");
	for (size_t i = 0; i < count; i++)
		json_bool(b, c[i].name, !c[i].error);
	buf_lit(b, "}");
	json_object(b, "refused");
	for (size_t i = 0; i < count; i++) {
		if (!c[i].error)
			continue;
		json_object(b, c[i].name);
		put_refusal(b, &c[i]);
		buf_lit(b, "}");
	}
	buf_lit(b, "}");
	put_filter(b, "filters", filter);
	if (subscription)
		put_filter(b, "subscription", subscription);
	buf_lit(b, "}\n");
}

void report_probe(struct buf *b, const struct source *source)
{
	bool baseline = true;
	size_t count;
	const struct capability *c = source_capabilities(source, &count);

	for (size_t i = 0; i < count; i++)
		baseline = baseline && (!c[i].required || !c[i].error);
	put_host(b);
	json_string(b, "evidence", baseline ? source_evidence(source) : NULL);
	json_object(b, "capabilities");
	for (size_t i = 0; i < count; i++) {
		json_object(b, c[i].name);
		json_bool(b, "ok", !c[i].error);
		json_bool(b, "required", c[i].required);
		json_string(b, "needed_for", c[i].needed_for);
		if (c[i].error)
			put_refusal(b, &c[i]);
		buf_lit(b, "}");
	}
	buf_lit(b, "}}\n");
}

static void put_totals(struct buf *b, const struct totals *totals, enum record_type type)
{
	struct fate fate;

	if (!tally_fate(totals->tallies, &totals->counters, type, &fate))
		return;
	json_object(b, record_type_names[type]);
	json_number(b, "seen", fate.seen);
	json_number(b, "delivered", fate.delivered);
	json_number(b, "filtered", fate.filtered);
	json_number(b, "limited", fate.limited);
	json_number(b, "lost", fate.lost);
	buf_lit(b, "}");
}

static void put_counters(struct buf *b, const struct totals *totals)
{
	const struct counters *c = &totals->counters;

	json_number(b, "uptime_ns", totals->uptime_ns);
	json_object(b, "listener_interval");
	json_number(b, "asked_ns", totals->asked_ns);
	json_number(b, "actual_ns", totals->interval_ns);
	buf_lit(b, "}");
	json_object(b, "totals");
	for (int type = 0; type < RECORD_TYPES; type++)
		put_totals(b, totals, type);
	buf_lit(b, "}");
	json_object(b, "outcomes");
	for (int role = 0; role < ROLES; role++) {
		json_object(b, role_names[role]);
		for (int outcome = 0; outcome < OUTCOMES; outcome++)
			json_number(b, outcome_names[outcome], c->handshakes[role][outcome] +
				    (role == ROLE_PASSIVE ? totals->inferred[outcome] : 0));
		buf_lit(b, "}");
	}
	buf_lit(b, "}");
}

/* Of this feed alone; `before` it began, records were delivered to others or to nobody. */
static void put_feed_types(struct buf *b, const struct feed_totals *feed)
{
	json_object(b, "types");
	for (int type = 0; type < RECORD_TYPES; type++) {
		const struct feed_tally *t = &feed->of[type];

		if (!(STREAM_RECORDS & (1U << type)))
			continue;
		json_object(b, record_type_names[type]);
		json_number(b, "before", t->before);
		json_number(b, "records", t->records);
		json_number(b, "filtered", t->filtered);
		json_number(b, "lost", t->lost);
		buf_lit(b, "}");
	}
	buf_lit(b, "}");
}

void report_bye(struct buf *b, const struct totals *totals, const struct feed_totals *feed)
{
	json_string(b, "reason", totals->reason);
	put_counters(b, totals);
	json_object(b, "feed");
	if (feed->id)
		json_string(b, "id", feed->id);
	json_number(b, "records", feed->records + 1); /* this one is the last */
	json_number(b, "lost", feed->lost);
	put_feed_types(b, feed);
	buf_lit(b, "}}\n");
}

void report_stats(struct buf *b, const struct totals *totals)
{
	put_counters(b, totals);
	buf_lit(b, "}\n");
}

void report_end(struct buf *b, const char *error)
{
	json_bool(b, "ok", !error);
	if (error)
		json_string(b, "error", error);
	buf_lit(b, "}\n");
}
