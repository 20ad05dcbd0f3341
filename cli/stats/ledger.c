// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/stats/ledger.h"
#include "cli/text/table.h"

#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/names.h"
#include "common/duration.h"

struct kept {
	struct record record;
	char *line; /* NULL: none */
};

/* Of one host. */
struct account {
	char host[64]; /* "" where there is one */
	uint64_t counts[OUTCOMES + 1][ROLES]; /* the last row: outcomes of a newer daemon */
	struct kept totals; /* of `stats` or `bye` */
	struct kept *audits; /* by netns */
	size_t audit_count;
	struct kept *losses;
	size_t loss_count;
};

struct ledger {
	struct account *accounts; /* by the hosts' numbers */
	size_t account_count;
	bool failed;
};

struct ledger *ledger_new(void)
{
	return calloc(1, sizeof(struct ledger));
}

static void kept_free(struct kept *k)
{
	record_free(&k->record);
	free(k->line);
	memset(k, 0, sizeof(*k));
}

static void account_clear(struct account *a)
{
	kept_free(&a->totals);
	for (size_t i = 0; i < a->audit_count; i++)
		kept_free(&a->audits[i]);
	for (size_t i = 0; i < a->loss_count; i++)
		kept_free(&a->losses[i]);
	free(a->audits);
	free(a->losses);
	memset(a, 0, sizeof(*a));
}

void ledger_clear(struct ledger *l)
{
	for (size_t i = 0; i < l->account_count; i++)
		account_clear(&l->accounts[i]);
	free(l->accounts);
	memset(l, 0, sizeof(*l));
}

void ledger_free(struct ledger *l)
{
	if (l)
		ledger_clear(l);
	free(l);
}

/* Replace what is kept by a record of its own. */
static void keep(struct ledger *l, struct kept *k, const char *line, size_t len)
{
	char error[160];

	kept_free(k);
	k->line = strndup(line, len);
	if (k->line && record_parse(line, len, &k->record, error, sizeof(error)) == RECORD_GOOD)
		return;
	kept_free(k);
	l->failed = true;
}

/* An empty place at `at`, those after it moved up; NULL if memory is out. */
static struct kept *insert(struct ledger *l, struct kept **list, size_t *count, size_t at)
{
	struct kept *grown = reallocarray(*list, *count + 1, sizeof(**list));

	if (!grown) {
		l->failed = true;
		return NULL;
	}
	*list = grown;
	memmove(grown + at + 1, grown + at, (*count - at) * sizeof(*grown));
	memset(grown + at, 0, sizeof(*grown));
	++*count;
	return grown + at;
}

static void add_audit(struct ledger *l, struct account *a, const struct record *r, const char *line, size_t len)
{
	struct kept *k;
	size_t i = 0;

	while (i < a->audit_count && a->audits[i].record.audit.netns < r->audit.netns)
		i++;
	if (i < a->audit_count && a->audits[i].record.audit.netns == r->audit.netns)
		k = &a->audits[i];
	else
		k = insert(l, &a->audits, &a->audit_count, i);
	if (k)
		keep(l, k, line, len);
	/* One that could not be kept would be compared with. */
	if (k && !k->line) {
		k->record.json = NULL;
		k->record.audit = (struct record_audit){ .netns = r->audit.netns };
	}
}

static void add_loss(struct ledger *l, struct account *a, const struct record *r, const char *line, size_t len)
{
	struct kept *k;

	for (size_t i = 0; i < a->loss_count; i++) {
		struct record_loss *loss = &a->losses[i].record.loss;

		if (a->losses[i].line && strcmp(loss->what, r->loss.what) == 0 &&
		    strcmp(loss->why, r->loss.why) == 0) {
			loss->count += r->loss.count;
			return;
		}
	}
	k = insert(l, &a->losses, &a->loss_count, a->loss_count);
	if (k)
		keep(l, k, line, len);
}

/* NULL if memory is out. */
static struct account *account_of(struct ledger *l, const struct record *r)
{
	struct account *grown;

	if (r->host_number >= l->account_count) {
		grown = reallocarray(l->accounts, r->host_number + 1, sizeof(*grown));
		if (!grown) {
			l->failed = true;
			return NULL;
		}
		memset(grown + l->account_count, 0, (r->host_number + 1 - l->account_count) * sizeof(*grown));
		l->accounts = grown;
		l->account_count = r->host_number + 1;
	}
	return &l->accounts[r->host_number];
}

void ledger_add(struct ledger *l, const struct record *r, const char *line, size_t len)
{
	const struct record_handshake *h = &r->handshake;
	struct account *a = account_of(l, r);

	if (!a)
		return;
	if (r->type == RECORD_HELLO)
		account_clear(a);
	if (r->host)
		snprintf(a->host, sizeof(a->host), "%s", r->host);
	switch (r->type) {
	case RECORD_HANDSHAKE:
		if (h->role >= 0)
			a->counts[h->outcome < 0 ? OUTCOMES : h->outcome][h->role]++;
		break;
	case RECORD_LOSS:
		add_loss(l, a, r, line, len);
		break;
	case RECORD_AUDIT:
		add_audit(l, a, r, line, len);
		break;
	case RECORD_STATS:
	case RECORD_BYE:
		keep(l, &a->totals, line, len);
		break;
	default:
		break;
	}
}

/* The daemon's own counts go before those of the records that came. */
static void count_outcomes(const struct account *a, uint64_t counts[OUTCOMES + 1][ROLES])
{
	const cJSON *outcomes = a->totals.record.stats.outcomes;

	memcpy(counts, a->counts, sizeof(a->counts));
	if (!outcomes)
		return;
	memset(counts, 0, sizeof(a->counts));
	for (int role = 0; role < ROLES; role++) {
		const cJSON *of_role = cJSON_GetObjectItemCaseSensitive(outcomes, role_names[role]);
		const cJSON *item;

		cJSON_ArrayForEach(item, of_role) {
			int outcome = name_index(outcome_names, OUTCOMES, item->string,
						 strlen(item->string));

			counts[outcome < 0 ? OUTCOMES : outcome][role] +=
				record_count_of(of_role, item->string);
		}
	}
}

static void render_outcomes(const struct account *a, const struct style *style, struct buf *b)
{
	static const struct table_column columns[] = {
		{ "HANDSHAKES", false, 0 }, { "   ACTIVE", true, 0 }, { "  PASSIVE", true, 0 },
	};
	uint64_t counts[OUTCOMES + 1][ROLES], all[ROLES] = { 0 };
	struct table *t = table_new(columns, 3, style);

	count_outcomes(a, counts);
	for (int outcome = 0; outcome <= OUTCOMES; outcome++) {
		if (!(counts[outcome][ROLE_ACTIVE] | counts[outcome][ROLE_PASSIVE]))
			continue;
		table_cell(t, PAINT_NONE, outcome < OUTCOMES ? outcome_names[outcome] : "other",
			   NULL);
		for (int role = ROLE_ACTIVE; role <= ROLE_PASSIVE; role++) {
			table_number(t, PAINT_NONE, counts[outcome][role]);
			all[role] += counts[outcome][role];
		}
	}
	table_cell(t, PAINT_NONE, "all", NULL);
	table_number(t, PAINT_NONE, all[ROLE_ACTIVE]);
	table_number(t, PAINT_NONE, all[ROLE_PASSIVE]);
	table_end(t, b, SIZE_MAX);
}

static void render_totals(const struct account *a, const struct style *style, struct buf *b)
{
	static const struct table_column columns[] = {
		{ "RECORDS   ", false, 0 }, { "     SEEN", true, 0 }, { "DELIVERED", true, 0 },
		{ " FILTERED", true, 0 },   { "     LOST", true, 0 }, { "  LIMITED", true, 0 },
	};
	const cJSON *totals = a->totals.record.stats.totals, *item;
	bool limits = false; /* a daemon before schema 1.2 has none */
	struct table *t;

	if (!cJSON_IsObject(totals))
		return;
	cJSON_ArrayForEach(item, totals)
		limits = limits || cJSON_GetObjectItemCaseSensitive(item, "limited");
	buf_lit(b, "\n");
	t = table_new(columns, limits ? 6 : 5, style);
	cJSON_ArrayForEach(item, totals) {
		uint64_t lost = record_count_of(item, "lost");

		table_cell(t, PAINT_NONE, item->string, NULL);
		table_number(t, PAINT_NONE, record_count_of(item, "seen"));
		table_number(t, PAINT_NONE, record_count_of(item, "delivered"));
		table_number(t, PAINT_NONE, record_count_of(item, "filtered"));
		table_number(t, lost ? PAINT_LOUD : PAINT_NONE, lost);
		if (limits)
			table_number(t, PAINT_NONE, record_count_of(item, "limited"));
	}
	table_end(t, b, SIZE_MAX);
}

static void render_losses(const struct account *a, const struct style *style, struct buf *b)
{
	static const struct table_column columns[] = {
		{ "LOST      ", false, 0 }, { "    COUNT", true, 0 }, { "WHY", false, 0 },
	};
	struct table *t;

	if (!a->loss_count)
		return;
	buf_lit(b, "\n");
	t = table_new(columns, 3, style);
	for (size_t i = 0; i < a->loss_count; i++) {
		const struct record_loss *loss = &a->losses[i].record.loss;

		if (!a->losses[i].line)
			continue;
		table_cell(t, PAINT_BAD, loss->what, NULL);
		table_number(t, PAINT_LOUD, loss->count);
		table_cell(t, PAINT_NONE, loss->why, NULL);
	}
	table_end(t, b, SIZE_MAX);
}

static void put_integer(struct table *t, enum paint paint, double value)
{
	char text[40];

	snprintf(text, sizeof(text), "%.0f", value);
	table_cell(t, paint, text, NULL);
}

static void render_audit(const struct record *r, const struct style *style, struct buf *b)
{
	static const struct table_column columns[] = {
		{ "COUNTER", false, 0 },      { "   KERNEL", true, 0 }, { " OBSERVED", true, 0 },
		{ "DIFFERENCE", true, 0 },    { "RULE", false, 8 },
	};
	struct line l = { .out = b, .style = style };
	struct table *t = table_new(columns, 5, style);
	char interval[32] = "an unknown time";
	const cJSON *item;

	if (r->audit.interval_ns != NS_UNKNOWN)
		duration_format(r->audit.interval_ns, interval, sizeof(interval));
	buf_format(b, "\naudit of netns %llu over %s: ", (unsigned long long)r->audit.netns, interval);
	line_put(&l, r->audit.balanced ? PAINT_GOOD : PAINT_LOUD,
		 r->audit.balanced ? "balanced" : "NOT BALANCED");
	line_end(&l);
	cJSON_ArrayForEach(item, r->audit.counters) {
		struct record_counter c;
		enum paint paint;

		if (!record_counter_of(item, &c))
			continue;
		paint = c.difference == 0 ? PAINT_NONE : c.rule ? PAINT_WARN : PAINT_BAD;
		table_cell(t, paint, c.name, NULL);
		put_integer(t, PAINT_NONE, c.kernel);
		put_integer(t, PAINT_NONE, c.observed);
		put_integer(t, paint, c.difference);
		table_cell(t, PAINT_NONE, c.rule ? c.rule : "-", NULL);
	}
	table_end(t, b, SIZE_MAX);
}

static void render_verdict(const struct ledger *l, const struct style *style, struct buf *b)
{
	struct line line = { .out = b, .style = style };
	size_t wrong = 0, count = 0;

	for (size_t i = 0; i < l->account_count; i++) {
		const struct account *a = &l->accounts[i];

		count += a->audit_count;
		for (size_t n = 0; n < a->audit_count; n++)
			wrong += !a->audits[n].record.audit.balanced;
	}
	buf_lit(b, "\n");
	if (!count) {
		line_put(&line, PAINT_DIM, "audit: none yet");
	} else if (wrong) {
		line_format(&line, PAINT_LOUD, "audit: NOT BALANCED in %zu of %zu network namespaces", wrong, count);
	} else {
		line_format(&line, PAINT_GOOD, "audit: balanced in %zu network namespace%s", count,
			    count == 1 ? "" : "s");
	}
	line_end(&line);
}

static void render_account(const struct account *a, const struct style *style, struct buf *b)
{
	uint64_t uptime = a->totals.line ? a->totals.record.stats.uptime_ns : NS_UNKNOWN;

	if (uptime != NS_UNKNOWN) {
		unsigned long long s = uptime / 1000000000;

		buf_format(b, "watched for %lluh %02llum %02llus\n\n", s / 3600, s / 60 % 60, s % 60);
	}
	render_outcomes(a, style, b);
	render_totals(a, style, b);
	render_losses(a, style, b);
	for (size_t i = 0; i < a->audit_count; i++)
		render_audit(&a->audits[i].record, style, b);
}

void ledger_render(const struct ledger *l, const struct style *style, struct buf *b)
{
	static const struct account nothing;

	for (size_t i = 0; i < l->account_count; i++) {
		struct line line = { .out = b, .style = style };

		if (l->account_count > 1) {
			buf_str(b, i ? "\n" : "");
			line_put(&line, PAINT_BOLD, "host ");
			line_put(&line, PAINT_BOLD, l->accounts[i].host);
			line_end(&line);
		}
		render_account(&l->accounts[i], style, b);
	}
	if (!l->account_count)
		render_account(&nothing, style, b);
	render_verdict(l, style, b);
	b->failed = b->failed || l->failed;
}

static void account_json(const struct account *a, struct buf *b)
{
	for (size_t i = 0; i <= a->audit_count; i++) {
		const char *line = i < a->audit_count ? a->audits[i].line : a->totals.line;

		if (!line)
			continue;
		buf_format(b, "%s\n", line);
	}
}

void ledger_json(const struct ledger *l, struct buf *b)
{
	for (size_t i = 0; i < l->account_count; i++)
		account_json(&l->accounts[i], b);
	b->failed = b->failed || l->failed;
}
