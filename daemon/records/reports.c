// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/records/reports.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "bpf/counters.h"
#include "common/names.h"

#define SCHEMA_VERSION "1.7"

static void finish(struct buf *b, cJSON *members)
{
	record_members(b, members);
	cJSON_Delete(members);
}

static void add_boot_id(cJSON *to)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	char id[64] = "";

	if (f && fgets(id, sizeof(id), f))
		id[strcspn(id, "\n")] = '\0';
	if (f)
		fclose(f);
	if (*id)
		cJSON_AddStringToObject(to, "boot_id", id);
	else
		cJSON_AddNullToObject(to, "boot_id");
}

static cJSON *about_host(void)
{
	cJSON *members = cJSON_CreateObject();
	struct utsname host;

	uname(&host);
	cJSON_AddStringToObject(members, "version", TCPSHAKE_VERSION);
	cJSON_AddStringToObject(members, "schema", SCHEMA_VERSION);
	cJSON_AddStringToObject(members, "host", host.nodename);
	add_boot_id(members);
	cJSON_AddStringToObject(members, "kernel", host.release);
	return members;
}

/* What the kernel did not grant, why, and what that costs. */
static void add_refused(cJSON *to, const struct capability *c, size_t count)
{
	cJSON *refused = cJSON_AddObjectToObject(to, "refused"), *one;

	for (size_t i = 0; i < count; i++) {
		if (!c[i].error)
			continue;
		one = cJSON_AddObjectToObject(refused, c[i].name);
		cJSON_AddStringToObject(one, "error", capability_error(&c[i]));
		cJSON_AddStringToObject(one, "without", c[i].without);
	}
}

void report_hello(struct buf *b, const struct source *source, const struct filter *filter,
		  const struct filter *subscription)
{
	cJSON *members = about_host(), *granted;
	const struct capability *c;
	size_t count;

	cJSON_AddStringToObject(members, "evidence", source_evidence(source));
	granted = cJSON_AddObjectToObject(members, "capabilities");
	c = source_capabilities(source, &count);
	for (size_t i = 0; i < count; i++)
		cJSON_AddBoolToObject(granted, c[i].name, !c[i].error);
	add_refused(members, c, count);
	cJSON_AddItemToObject(members, "filters", filter_to_json(filter));
	if (subscription)
		cJSON_AddItemToObject(members, "subscription", filter_to_json(subscription));
	finish(b, members);
}

void report_probe(struct buf *b, const struct source *source)
{
	cJSON *members = about_host(), *all, *one;
	const struct capability *c;
	bool baseline = true;
	size_t count;

	c = source_capabilities(source, &count);
	for (size_t i = 0; i < count; i++)
		baseline = baseline && (!c[i].required || !c[i].error);
	if (baseline)
		cJSON_AddStringToObject(members, "evidence", source_evidence(source));
	else
		cJSON_AddNullToObject(members, "evidence");
	all = cJSON_AddObjectToObject(members, "capabilities");
	for (size_t i = 0; i < count; i++) {
		one = cJSON_AddObjectToObject(all, c[i].name);
		cJSON_AddBoolToObject(one, "ok", !c[i].error);
		cJSON_AddBoolToObject(one, "required", c[i].required);
		cJSON_AddStringToObject(one, "needed_for", c[i].needed_for);
		if (c[i].error) {
			cJSON_AddStringToObject(one, "error", capability_error(&c[i]));
			cJSON_AddStringToObject(one, "without", c[i].without);
		}
	}
	finish(b, members);
}

static void add_count(cJSON *to, const char *name, uint64_t count)
{
	cJSON_AddNumberToObject(to, name, (double)count); /* exact up to 2^53 */
}

static void add_totals(cJSON *to, const struct totals *totals, enum record_type type)
{
	struct fate fate;
	cJSON *part;

	if (!tally_fate(totals->tallies, &totals->counters, type, &fate))
		return;
	part = cJSON_AddObjectToObject(to, record_type_names[type]);
	add_count(part, "seen", fate.seen);
	add_count(part, "delivered", fate.delivered);
	add_count(part, "filtered", fate.filtered);
	add_count(part, "limited", fate.limited);
	add_count(part, "lost", fate.lost);
}

static void add_counters(cJSON *members, const struct totals *totals)
{
	const struct counters *c = &totals->counters;
	cJSON *all, *part;

	add_count(members, "uptime_ns", totals->uptime_ns);
	part = cJSON_AddObjectToObject(members, "listener_interval");
	add_count(part, "asked_ns", totals->asked_ns);
	add_count(part, "actual_ns", totals->interval_ns);
	all = cJSON_AddObjectToObject(members, "totals");
	for (int type = 0; type < RECORD_TYPES; type++)
		add_totals(all, totals, type);
	all = cJSON_AddObjectToObject(members, "outcomes");
	for (int role = 0; role < ROLES; role++) {
		part = cJSON_AddObjectToObject(all, role_names[role]);
		for (int outcome = 0; outcome < OUTCOMES; outcome++)
			add_count(part, outcome_names[outcome],
				  c->handshakes[role][outcome] +
					  (role == ROLE_PASSIVE ? totals->inferred[outcome] : 0));
	}
}

/* Of this feed alone; `before` it began, records were delivered to others or to nobody. */
static void add_feed_types(cJSON *to, const struct feed_totals *feed)
{
	cJSON *all = cJSON_AddObjectToObject(to, "types"), *part;

	for (int type = 0; type < RECORD_TYPES; type++) {
		const struct feed_tally *t = &feed->of[type];

		if (!(STREAM_RECORDS & (1U << type)))
			continue;
		part = cJSON_AddObjectToObject(all, record_type_names[type]);
		add_count(part, "before", t->before);
		add_count(part, "records", t->records);
		add_count(part, "filtered", t->filtered);
		add_count(part, "lost", t->lost);
	}
}

void report_bye(struct buf *b, const struct totals *totals, const struct feed_totals *feed)
{
	cJSON *members = cJSON_CreateObject(), *part;

	cJSON_AddStringToObject(members, "reason", totals->reason);
	add_counters(members, totals);
	part = cJSON_AddObjectToObject(members, "feed");
	if (feed->id)
		cJSON_AddStringToObject(part, "id", feed->id);
	add_count(part, "records", feed->records + 1); /* this one is the last */
	add_count(part, "lost", feed->lost);
	add_feed_types(part, feed);
	finish(b, members);
}

void report_stats(struct buf *b, const struct totals *totals)
{
	cJSON *members = cJSON_CreateObject();

	add_counters(members, totals);
	finish(b, members);
}

void report_end(struct buf *b, const char *error)
{
	cJSON *members = cJSON_CreateObject();

	cJSON_AddBoolToObject(members, "ok", !error);
	if (error)
		cJSON_AddStringToObject(members, "error", error);
	finish(b, members);
}
