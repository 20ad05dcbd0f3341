// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/tail/summary.h"
#include "cli/feed/evidence.h"
#include "cli/text/table.h"
#include "cli/text/text.h"

#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/names.h"
#include "common/duration.h"
#include "common/histogram.h"

/* Of five things lost for five reasons; more are a newer daemon's and share the last entry. */
#define LOSSES 32
#define WORD 24

struct loss {
	char what[WORD], why[WORD];
	uint64_t count;
};

/* Of some twenty words; more are a newer daemon's and share the last entry. */
#define TALLIES 40

struct tally {
	char word[WORD + 1];
	uint64_t counts[2];
};

struct summary {
	/* The last row and column: words of a newer daemon. */
	uint64_t counts[OUTCOMES + 1][ROLES + 1];
	struct histogram latency[ROLES]; /* of established ones */
	uint64_t retransmitted;
	struct loss losses[LOSSES];
	bool has_totals;
	uint64_t seen, filtered, limited, lost;
	uint64_t refused_syns, refused_acks; /* by full queues */
	struct evidence evidence; /* of all feeds */
	struct tally causes[TALLIES]; /* proven, probable */
	struct tally resets[TALLIES]; /* sent, received */
	struct tally drops[TALLIES]; /* by reason: on their way in, out */
	uint64_t closes[HOWS];
};

struct summary *summary_new(void)
{
	return calloc(1, sizeof(struct summary));
}

void summary_free(struct summary *s)
{
	free(s);
}

/* The words are kept as they are shown; what does not fit is a word that nobody uses. */
static void copy_word(char *out, size_t size, const char *word)
{
	struct buf text = { 0 };

	text_append(&text, word, false);
	snprintf(out, size, "%s", buf_text(&text));
	buf_free(&text);
}

static void add_tally(struct tally *tallies, const char *word, int column)
{
	struct tally *t = tallies;
	char name[sizeof(t->word)];

	copy_word(name, sizeof(name), word);
	while (t < tallies + TALLIES - 1 && *t->word && strcmp(t->word, name) != 0)
		t++;
	memcpy(t->word, t < tallies + TALLIES - 1 ? name : "other", t < tallies + TALLIES - 1 ?
	       sizeof(name) : sizeof("other"));
	t->counts[column]++;
}

static void add_handshake(struct summary *s, const struct record *r)
{
	const struct record_handshake *h = &r->handshake;
	bool proven = record_is_proven(&h->cause);

	if (h->cause.code)
		add_tally(s->causes, h->cause.code, !proven);
	s->counts[h->outcome < 0 ? OUTCOMES : h->outcome][h->role < 0 ? ROLES : h->role]++;
	s->retransmitted += h->retransmits > 0;
	if (h->outcome == OUTCOME_ESTABLISHED && h->role >= 0 && h->latency_ns != NS_UNKNOWN)
		histogram_record(&s->latency[h->role], h->latency_ns);
}

static void add_loss(struct summary *s, const struct record *r)
{
	struct loss loss;

	copy_word(loss.what, sizeof(loss.what), r->loss.what);
	copy_word(loss.why, sizeof(loss.why), r->loss.why);
	for (size_t i = 0; i < LOSSES; i++) {
		struct loss *l = &s->losses[i];

		if (l->count && (strcmp(l->what, loss.what) || strcmp(l->why, loss.why)) &&
		    i + 1 < LOSSES)
			continue;
		if (i + 1 == LOSSES)
			loss = (struct loss){ .what = "other", .why = "other reasons" };
		memcpy(l->what, loss.what, WORD);
		memcpy(l->why, loss.why, WORD);
		l->count += r->loss.count;
		return;
	}
}

/* A recording may hold several feeds. */
static void add_bye(struct summary *s, const struct record *r)
{
	s->has_totals = s->has_totals || r->bye.has_totals;
	s->seen += r->bye.seen;
	s->filtered += r->bye.filtered;
	s->limited += r->bye.limited;
	s->lost += r->bye.lost;
}

static void add_overflow(struct summary *s, const struct record *r)
{
	const struct record_overflow *o = &r->overflow;

	if (record_is_cookie(o) || !record_by_queue(o))
		return;
	if (record_is_ack(o))
		s->refused_acks += o->count;
	else
		s->refused_syns += o->count;
}

static void add_reset(struct summary *s, const struct record *r)
{
	add_tally(s->resets, r->reset.cause, !r->reset.sent);
}

static void add_drop(struct summary *s, const struct record *r)
{
	add_tally(s->drops, r->drop.reason, r->drop.out);
}

static void add_close(struct summary *s, const struct record *r)
{
	int how = name_index(close_how_names, HOWS, r->close.how, strlen(r->close.how));

	if (how >= 0)
		s->closes[how]++;
}

static void add_hello(struct summary *s, const struct record *r)
{
	struct evidence one;

	evidence_take(&one, r);
	evidence_join(&s->evidence, &one);
}

void summary_add(struct summary *s, const struct record *r)
{
	static void (*const adders[RECORD_TYPES])(struct summary *, const struct record *) = {
		[RECORD_HELLO] = add_hello,
		[RECORD_HANDSHAKE] = add_handshake,
		[RECORD_LOSS] = add_loss,
		[RECORD_BYE] = add_bye,
		[RECORD_OVERFLOW] = add_overflow,
		[RECORD_RESET] = add_reset,
		[RECORD_DROP] = add_drop,
		[RECORD_CLOSE] = add_close,
	};

	if (adders[r->type])
		adders[r->type](s, r);
}

static uint64_t count_role(const struct summary *s, unsigned role)
{
	uint64_t sum = 0;

	for (unsigned outcome = 0; outcome <= OUTCOMES; outcome++)
		sum += s->counts[outcome][role];
	return sum;
}

/* In a file as on a terminal. */
static const struct style plain;

static void put_row(struct table *t, const char *title, const uint64_t *counts, unsigned columns)
{
	table_cell(t, PAINT_NONE, title, NULL);
	for (unsigned role = 0; role < columns; role++)
		table_number(t, PAINT_NONE, counts[role]);
}

static void put_counts(const struct summary *s, struct buf *b)
{
	static const struct table_column titles[] = {
		{ "handshakes  ", false, 0 }, { "   active", true, 0 }, { "  passive", true, 0 },
		{ "    other", true, 0 },
	};
	uint64_t all[ROLES + 1];
	unsigned columns;
	struct table *t;

	for (unsigned role = 0; role <= ROLES; role++)
		all[role] = count_role(s, role);
	if (!(all[ROLE_ACTIVE] | all[ROLE_PASSIVE] | all[ROLES])) {
		buf_format(b, "no handshakes\n");
		return;
	}
	columns = all[ROLES] ? ROLES + 1 : ROLES;
	t = table_new(titles, 1 + columns, &plain);
	for (unsigned outcome = 0; outcome <= OUTCOMES; outcome++) {
		const uint64_t *counts = s->counts[outcome];

		if (counts[ROLE_ACTIVE] | counts[ROLE_PASSIVE] | counts[ROLES])
			put_row(t, outcome < OUTCOMES ? outcome_names[outcome] : "other", counts,
				columns);
	}
	put_row(t, "all", all, columns);
	table_end(t, b, SIZE_MAX);
}

static void put_latencies(const struct summary *s, struct buf *b)
{
	static const struct table_column titles[] = {
		{ "latency     ", false, 0 }, { "      p50", true, 0 }, { "      p90", true, 0 },
		{ "      p99", true, 0 },     { "      max", true, 0 },
	};
	static const double quantiles[] = { 0.5, 0.9, 0.99, 1 };
	struct table *t;
	char text[32];

	if (!s->latency[ROLE_ACTIVE].count && !s->latency[ROLE_PASSIVE].count)
		return;
	buf_lit(b, "\n");
	t = table_new(titles, 5, &plain);
	for (unsigned role = 0; role < ROLES; role++) {
		const struct histogram *h = &s->latency[role];

		if (!h->count)
			continue;
		table_cell(t, PAINT_NONE, role_names[role], NULL);
		for (size_t q = 0; q < sizeof(quantiles) / sizeof(quantiles[0]); q++)
			table_cell(t, PAINT_NONE,
				   duration_format(histogram_quantile(h, quantiles[q]), text, sizeof(text)),
				   NULL);
	}
	table_end(t, b, SIZE_MAX);
}

/* The most frequent first. */
static int compare_tallies(const void *a, const void *b)
{
	const struct tally *ta = a, *tb = b;
	uint64_t na = ta->counts[0] + ta->counts[1], nb = tb->counts[0] + tb->counts[1];

	return na != nb ? (na < nb) - (na > nb) : strcmp(ta->word, tb->word);
}

/* None counted is none only if somebody counted. */
static void put_tally(struct table *t, uint64_t count, bool counted)
{
	if (count || counted)
		table_number(t, PAINT_NONE, count);
	else
		table_cell(t, PAINT_NONE, "-", NULL);
}

static void put_tallies(const struct tally *tallies, const struct table_column titles[3],
			const bool counted[2], struct buf *b)
{
	struct tally sorted[TALLIES];
	struct table *t;

	if (!*tallies->word)
		return;
	memcpy(sorted, tallies, sizeof(sorted));
	qsort(sorted, TALLIES, sizeof(*sorted), compare_tallies);
	buf_lit(b, "\n");
	t = table_new(titles, 3, &plain);
	for (const struct tally *one = sorted; one < sorted + TALLIES && *one->word; one++) {
		table_cell(t, PAINT_NONE, one->word, NULL);
		put_tally(t, one->counts[0], counted[0]);
		put_tally(t, one->counts[1], counted[1]);
	}
	table_end(t, b, SIZE_MAX);
}

static void put_count(struct buf *b, const char *title, uint64_t count, const char *what)
{
	if (count)
		buf_format(b, "%-12s %9llu %s\n", title, (unsigned long long)count, what);
}

/* Nobody recorded then, or there was nothing to record. */
static void put_gaps(const struct input_report *report, struct buf *b)
{
	char what[80], most[32];

	snprintf(what, sizeof(what), "before a hello: no record of that host, for %s in all",
		 duration_format(report->gap_ns, most, sizeof(most)));
	put_count(b, "gaps", report->gaps, what);
}

/* What stands between this summary and the truth; nothing if nothing does. */
static void put_doubts(const struct summary *s, const struct input_report *report, struct buf *b)
{
	for (size_t i = 0; i < LOSSES; i++) {
		const struct loss *l = &s->losses[i];
		char what[2 * WORD + 8];

		snprintf(what, sizeof(what), "%s: %s", l->what, l->why);
		put_count(b, "lost", l->count, what);
	}
	put_count(b, "missing", report->missing, "records, by the gaps in seq");
	put_gaps(report, b);
	put_count(b, "skipped", report->damaged, "segments that could not be read to their end");
	put_count(b, "skipped", report->bad, "lines that are no records");
	put_count(b, "skipped", report->foreign, "records of another format version");
	put_count(b, "skipped", report->oversized, "lines too long");
	put_count(b, "skipped", report->cut, "last line, cut off");
}

/* Of each host, what came of it; and how far the clocks are apart, on which the order rests. */
static void put_hosts(const struct input_report *report, struct buf *b)
{
	uint32_t count = report->host_count < CLOCK_HOSTS ? report->host_count : CLOCK_HOSTS;
	char text[256];

	if (count < 2)
		return;
	for (uint32_t i = 0; i < count; i++) {
		const struct host_report *h = &report->hosts[i];

		buf_format(b, "%-12s %9llu records of %s", "host", (unsigned long long)h->records, h->name);
		if (h->missing)
			buf_format(b, ", %llu missing by its gaps in seq", (unsigned long long)h->missing);
		buf_lit(b, "\n");
	}
	for (uint32_t i = 1; i < count; i++)
		buf_format(b, "clocks       %s\n",
			   hosts_clock_text(&report->hosts[0], &report->hosts[i], text, sizeof(text)));
}

void summary_print(const struct summary *s, const struct input_report *report, struct buf *b)
{
	static const struct table_column causes[] = {
		{ "causes                  ", false, 0 }, { "   proven", true, 0 }, { " probable", true, 0 },
	};
	static const struct table_column resets[] = {
		{ "resets                  ", false, 0 }, { "     sent", true, 0 }, { " received", true, 0 },
	};
	static const struct table_column drops[] = {
		{ "dropped by this host    ", false, 0 }, { "       in", true, 0 }, { "      out", true, 0 },
	};
	char limited[40] = "";
	size_t start;

	if (s->limited)
		snprintf(limited, sizeof(limited), "%llu over the rate, ",
			 (unsigned long long)s->limited);

	put_counts(s, b);
	put_latencies(s, b);
	put_tallies(s->causes, causes, (const bool[]){ true, true }, b);
	put_tallies(s->resets, resets,
		    (const bool[]){ !evidence_lacks(&s->evidence, SIGHT_RESETS_SENT),
				    !evidence_lacks(&s->evidence, SIGHT_RESETS_RECEIVED) }, b);
	put_tallies(s->drops, drops, (const bool[]){ true, true }, b);
	buf_lit(b, "\n");
	start = b->len;
	put_count(b, "retransmits", s->retransmitted, "handshakes sent a SYN or SYN-ACK again");
	put_count(b, "overflow", s->refused_syns, "SYNs that a full queue refused");
	put_count(b, "overflow", s->refused_acks, "final ACKs that a full queue refused");
	put_count(b, "closed", s->closes[HOW_FIN], "connections that ended by FIN");
	put_count(b, "closed", s->closes[HOW_RESET], "connections that ended by a RST");
	put_count(b, "closed", s->closes[HOW_TIMEOUT], "connections that the kernel gave up");
	put_doubts(s, report, b);
	put_hosts(report, b);
	if (s->has_totals)
		buf_format(b, "%-12s %9llu seen, %llu filtered, %s%llu lost\n", "kernel",
		    (unsigned long long)s->seen, (unsigned long long)s->filtered, limited,
		    (unsigned long long)s->lost);
	/* No blank line at the very end. */
	if (b->len == start && start)
		b->len--;
}

void summary_write(const struct summary *s, const struct input_report *report, FILE *to)
{
	struct buf text = { 0 };

	/* Off the line that the terminal's "^C" may stand on. */
	if (isatty(fileno(to)))
		buf_lit(&text, "\n");
	summary_print(s, report, &text);
	fwrite(text.data, 1, text.failed ? 0 : text.len, to);
	fflush(to);
	buf_free(&text);
}
