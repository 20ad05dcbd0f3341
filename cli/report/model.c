// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/report/model.h"

#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void merge_cells(void *into, const void *from)
{
	uint64_t *to = into;
	const uint64_t *other = from;

	for (size_t i = 0; i < sizeof(struct report_cell) / sizeof(*to); i++)
		to[i] += other[i];
}

static void merge_latencies(void *into, const void *from)
{
	histogram_merge(into, from);
}

struct report_model *report_model_new(void)
{
	static const struct grid_kind cells = { sizeof(struct report_cell), merge_cells };
	static const struct grid_kind latencies = { sizeof(struct histogram), merge_latencies };
	struct report_model *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->explain = explain_new();
	m->cells = grid_add_row(&m->grid, &cells);
	m->failed = !m->explain || m->cells == GRID_NONE;
	for (int role = 0; role < ROLES; role++) {
		m->latencies[role] = grid_add_row(&m->grid, &latencies);
		m->failed = m->failed || m->latencies[role] == GRID_NONE;
	}
	if (!m->failed)
		return m;
	report_model_free(m);
	return NULL;
}

void report_model_free(struct report_model *m)
{
	if (!m)
		return;
	explain_free(m->explain);
	grid_free(&m->grid);
	tally_free(&m->destinations);
	tally_free(&m->processes);
	queues_free(&m->queues);
	audits_free(&m->audits);
	containers_free(&m->containers);
	free(m);
}

/* NS_UNKNOWN if it is none of the network's: a failure's, or the wait of TCP_DEFER_ACCEPT for data. */
static uint64_t latency_of(const struct record *r)
{
	const struct record_handshake *h = &r->handshake;

	if (h->outcome != OUTCOME_ESTABLISHED || h->role < 0)
		return NS_UNKNOWN;
	if (h->role == ROLE_PASSIVE && h->deferred)
		return NS_UNKNOWN;
	return h->latency_ns;
}

static void count_handshake(struct report_cell *c, const struct record_handshake *h)
{
	c->outcomes[h->outcome < 0 ? OUTCOMES : h->outcome]++;
	c->retransmitted += h->retransmits > 0;
}

static void add_handshake(struct report_model *m, const struct record *r, unsigned column)
{
	const struct record_handshake *h = &r->handshake;
	uint64_t latency = latency_of(r);
	struct tally_key key = { .netns = r->netns, .host = r->host_number, .port = h->remote.port };

	count_handshake(&m->sums, h);
	if (column != GRID_COLUMNS)
		count_handshake(grid_cell(&m->grid, m->cells, column), h);
	if (latency != NS_UNKNOWN) {
		histogram_record(&m->latency[h->role], latency);
		if (column != GRID_COLUMNS)
			histogram_record(grid_cell(&m->grid, m->latencies[h->role], column), latency);
	}
	if (h->role == ROLE_ACTIVE) {
		snprintf(key.name, sizeof(key.name), "%s", h->remote.addr);
		tally_add(&m->destinations, &key, h, latency);
	}
	if (h->has_process) {
		key = (struct tally_key){ .host = r->host_number, .container = containers_put(&m->containers, &h->container) };
		snprintf(key.name, sizeof(key.name), "%s", h->comm);
		tally_add(&m->processes, &key, h, latency);
	}
}

static void count_overflow(struct report_cell *c, const struct record_overflow *o)
{
	*(record_is_cookie(o) ? &c->cookies : record_is_ack(o) ? &c->refused_ack : &c->refused_syn) += o->count;
}

static void add_overflow(struct report_model *m, const struct record *r, unsigned column)
{
	/* A SYN without a route back is refused by no queue; its cause has it. */
	if (record_by_queue(&r->overflow)) {
		count_overflow(&m->sums, &r->overflow);
		if (column != GRID_COLUMNS)
			count_overflow(grid_cell(&m->grid, m->cells, column), &r->overflow);
	}
	queues_add(&m->queues, &m->grid, &m->containers, r, column);
}

static void add_listener(struct report_model *m, const struct record *r, unsigned column)
{
	queues_add(&m->queues, &m->grid, &m->containers, r, column);
}

static void add_audit(struct report_model *m, const struct record *r, unsigned column)
{
	(void)column;
	audits_add(&m->audits, r);
}

static void add_loss(struct report_model *m, const struct record *r, unsigned column)
{
	m->sums.lost += r->loss.count;
	if (column != GRID_COLUMNS)
		((struct report_cell *)grid_cell(&m->grid, m->cells, column))->lost += r->loss.count;
}

static void copy_text(char *out, const char *text)
{
	snprintf(out, ADDR_SIZE, "%s", text ? text : "");
}

/* Is a criterion among those before it? They are separated by spaces. */
static bool has_criterion(const char *all, const char *one)
{
	size_t len = strlen(one);

	for (const char *at = all; (at = strstr(at, one)); at++)
		if ((at == all || at[-1] == ' ') && (!at[len] || at[len] == ' '))
			return true;
	return false;
}

/* One feed after another may have other filters, or none: what any of them left out is missing here. */
static void add_criteria(struct report_model *m, const cJSON *filters)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, filters) {
		size_t len = strlen(m->daemon_only);
		char one[sizeof(m->daemon_only)];

		if (!cJSON_IsString(item))
			continue;
		snprintf(one, sizeof(one), "%s=%s", item->string, item->valuestring);
		if (!has_criterion(m->daemon_only, one))
			snprintf(m->daemon_only + len, sizeof(m->daemon_only) - len, "%s%s", len ? " " : "", one);
	}
}

static void add_hello(struct report_model *m, const struct record *r, unsigned column)
{
	(void)column;
	copy_text(m->host, r->hello.host);
	copy_text(m->kernel, r->hello.kernel);
	copy_text(m->version, r->hello.version);
	add_criteria(m, r->hello.filters);
	add_criteria(m, r->hello.subscription);
}

void report_model_add(struct report_model *m, const struct record *r)
{
	static void (*const adders[RECORD_TYPES])(struct report_model *m, const struct record *r, unsigned column) = {
		[RECORD_HELLO] = add_hello,	  [RECORD_HANDSHAKE] = add_handshake,
		[RECORD_OVERFLOW] = add_overflow, [RECORD_LISTENER] = add_listener,
		[RECORD_AUDIT] = add_audit,	  [RECORD_LOSS] = add_loss,
	};
	/* Of several hosts `ts` is by the clock of the first. */
	uint64_t at_ns = r->host_number ? record_time_of(r->ts) : r->wall_ns;
	unsigned column = at_ns ? grid_column(&m->grid, at_ns) : GRID_COLUMNS;

	m->records++;
	/* A hello that is repeated, as at the beginning of a segment, has its time elsewhere. */
	m->timeless += !at_ns && r->type != RECORD_HELLO;
	explain_add(m->explain, r);
	if (adders[r->type])
		adders[r->type](m, r, column);
}

int report_model_finish(struct report_model *m, const struct input_report *report)
{
	queues_sort(&m->queues);
	m->failed = explain_finish(m->explain, report) < 0 || m->queues.failed || m->destinations.failed ||
		    m->processes.failed || m->containers.failed || m->failed;
	return m->failed ? -1 : 0;
}
