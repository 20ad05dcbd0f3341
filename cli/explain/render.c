// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/explain/render.h"
#include "cli/explain/unseen.h"
#include "cli/text/line.h"
#include "cli/tail/render_parts.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/duration.h"
#include "common/names.h"

#define INDENT 4 /* below a cause's title */
#define TEXT_INDENT 17 /* of what follows a label */
#define DEFAULT_WIDTH 80
#define MIN_WIDTH 40
#define MAX_WIDTH 100 /* longer lines are hard to read */

struct report {
	const struct explain *explain;
	const struct explain_source *from;
	struct line line;
	size_t width;
	bool namespaces; /* there are several: say which */
};

/* "1 handshake", "2 handshakes" */
static const char *plural(char *out, size_t size, uint64_t count, const char *what)
{
	snprintf(out, size, "%llu %s%s", (unsigned long long)count, what, count == 1 ? "" : "s");
	return out;
}

static void __attribute__((format(printf, 3, 4)))
wrap(struct report *r, size_t indent, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	line_pad(&r->line, indent);
	line_wrap(&r->line, PAINT_NONE, text, indent, r->width);
	line_end(&r->line);
}

/* "label:   text", the text in a column of its own. */
static void labelled(struct report *r, const char *label, const char *text)
{
	line_pad(&r->line, INDENT);
	line_put(&r->line, PAINT_DIM, label);
	line_pad(&r->line, TEXT_INDENT);
	line_wrap(&r->line, PAINT_NONE, text, TEXT_INDENT, r->width);
	line_end(&r->line);
}

static void put_title(struct report *r, size_t rank, const struct explain_cause *c)
{
	char number[24];

	snprintf(number, sizeof(number), "%2zu. ", rank);
	line_put(&r->line, PAINT_BOLD, number);
	line_put(&r->line, c->row ? c->row->paint : PAINT_BOLD, c->code);
	if (c->row) {
		line_put(&r->line, PAINT_NONE, ": ");
		line_wrap(&r->line, PAINT_NONE, c->row->meaning, INDENT, r->width);
	}
	line_end(&r->line);
}

static void put_whose(struct report *r, const struct explain_cause *c)
{
	char text[ADDR_SIZE + COMM_SIZE + 128] = "", ns[40] = "";
	bool ipv6 = strchr(c->addr, ':');
	int used = 0;

	if (r->namespaces)
		snprintf(ns, sizeof(ns), " in netns %llu", (unsigned long long)c->netns);
	if (c->has_at)
		used = snprintf(text, sizeof(text), "%s%s%s:%u%s", ipv6 ? "[" : "", c->addr,
				ipv6 ? "]" : "", c->port, ns);
	else if (c->by != CAUSE_BY_SOURCE)
		used = snprintf(text, sizeof(text), "not known, in netns %llu",
				(unsigned long long)c->netns);
	if (c->process.known)
		snprintf(text + used, sizeof(text) - (size_t)used, "%s%s/%llu%s", used ? ", " : "",
			 c->process.comm, (unsigned long long)c->process.pid, used ? "" : ns);
	else if (!used)
		snprintf(text, sizeof(text), "a process that is not known%s", ns);
	labelled(r, cause_by_names[c->by], text);
}

static void put_harm(struct report *r, const struct explain_cause *c)
{
	char count[48], failed[48] = "", lost[32], untimed[48] = "", certainty[80] = "";

	if (!c->handshakes)
		return;
	if (c->failed)
		snprintf(failed, sizeof(failed), " (%llu failed)", (unsigned long long)c->failed);
	if (c->untimed)
		snprintf(untimed, sizeof(untimed), " (%llu not timed)",
			 (unsigned long long)c->untimed);
	if (!c->probable)
		snprintf(certainty, sizeof(certainty), "proven");
	else if (!c->proven)
		snprintf(certainty, sizeof(certainty), "probable");
	else
		snprintf(certainty, sizeof(certainty), "%llu proven, %llu probable",
			 (unsigned long long)c->proven, (unsigned long long)c->probable);
	plural(count, sizeof(count), c->handshakes, "handshake");
	if (c->untimed == c->handshakes)
		wrap(r, INDENT, "%s%s, time lost not known; %s", count, failed, certainty);
	else
		wrap(r, INDENT, "%s%s, %s lost%s; %s", count, failed,
		     duration_format(c->time_lost_ns, lost, sizeof(lost)), untimed, certainty);
}

static void put_refused(struct report *r, const struct explain_refused *s)
{
	char text[256] = "", item[64];

	if (s->syn)
		snprintf(text, sizeof(text), "refused %s",
			 plural(item, sizeof(item), s->syn, "SYN"));
	if (s->ack)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
			 s->syn ? ", " : "refused ", plural(item, sizeof(item), s->ack, "final ACK"));
	if (s->cookie)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "%sanswered %s with cookies", *text ? "; " : "",
			 plural(item, sizeof(item), s->cookie, "SYN"));
	if (!*text)
		return;
	if (s->probable)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 s->proven ? "; %llu of them probable" : "; probable",
			 (unsigned long long)s->probable);
	wrap(r, INDENT, "%s", text);
}

static void put_when(struct report *r, const struct explain_cause *c)
{
	char first[64], last[64], outcomes[320] = "", text[480];
	const char *from = render_clock(c->first, first, sizeof(first));
	const char *to = render_clock(c->last, last, sizeof(last));

	for (int i = 0; i <= OUTCOMES; i++)
		if (c->outcomes[i])
			snprintf(outcomes + strlen(outcomes), sizeof(outcomes) - strlen(outcomes),
				 "%s%s %llu", *outcomes ? ", " : "",
				 i < OUTCOMES ? outcome_names[i] : "other",
				 (unsigned long long)c->outcomes[i]);
	if (strcmp(c->first, c->last) == 0)
		snprintf(text, sizeof(text), "%s%s%s", outcomes, *outcomes ? "; " : "", from);
	else
		snprintf(text, sizeof(text), "%s%s%s to %s", outcomes, *outcomes ? "; " : "", from,
			 to);
	labelled(r, *outcomes ? "outcomes" : "when", text);
}

static void put_looks(struct report *r, const struct explain_cause *c)
{
	struct explain_fact fact;

	for (size_t i = 0; explain_fact(c, &r->from->host, i, &fact); i++) {
		char text[1024];

		snprintf(text, sizeof(text), "%s%s%s: %s", fact.name, fact.has_value ? " = " : "",
			 fact.has_value ? fact.value : "", fact.why);
		labelled(r, i ? "" : "look at", text);
	}
}

static void put_cause(struct report *r, size_t rank, const struct explain_cause *c)
{
	struct buf advice = { 0 };

	line_end(&r->line);
	put_title(r, rank, c);
	put_whose(r, c);
	put_harm(r, c);
	put_refused(r, &c->refused);
	put_when(r, c);
	if (c->evidence)
		labelled(r, "evidence", c->evidence);
	put_looks(r, c);
	explain_advice(c, &r->from->host, &advice);
	buf_mem(&advice, "", 1);
	if (advice.failed)
		r->line.out->failed = true;
	else
		labelled(r, "advice", advice.data);
	buf_free(&advice);
}

/* How many were harmed, of how many. */
static void put_verdict(struct report *r)
{
	const struct explain_totals *t = explain_totals(r->explain);
	char lost[32], untimed[48] = "", some[48];

	/* Nobody looks for what is slow unless asked to. */
	if (!t->harmed) {
		wrap(r, 0, t->slow_wanted ?
			   "no handshake failed, was retransmitted or was slow: %llu seen" :
			   "no handshake failed or was retransmitted: %llu seen",
		     (unsigned long long)t->handshakes);
		return;
	}
	if (t->untimed)
		snprintf(untimed, sizeof(untimed), " (%llu not timed)",
			 (unsigned long long)t->untimed);
	wrap(r, 0, "%llu of %s failed (%llu), %s retransmitted or slow; %s lost%s",
	     (unsigned long long)t->harmed, plural(some, sizeof(some), t->handshakes, "handshake"),
	     (unsigned long long)t->failed, t->harmed == 1 ? "was" : "were",
	     duration_format(t->time_lost_ns, lost, sizeof(lost)), untimed);
}

/* Whose the values are; nothing where there are none to show. */
static void put_origin(struct report *r)
{
	const struct explain_totals *t = explain_totals(r->explain);

	if (!r->from->recorded || !explain_count(r->explain))
		return;
	if (r->from->host.sysctl)
		wrap(r, 0, "The recording is of this host, since it was booted: the values of "
			   "sysctls are those of now.");
	else if (t->mixed)
		wrap(r, 0, "The recording is of several hosts or boots: no values of sysctls are "
			   "shown.");
	else if (t->has_host)
		wrap(r, 0, "The recording is of %s, not of this boot of this host: no values of "
			   "sysctls are shown.", *t->host ? t->host : "another host");
	else
		wrap(r, 0, "The recording does not say whose it is: no values of sysctls are shown.");
}

/* What nobody could see, as far as it matters for what is shown or missing here. */
static void put_unseen(struct report *r)
{
	if (!explain_totals(r->explain)->evidence.known) {
		wrap(r, 0, "The feed does not say what could be seen on its host (it has no hello): "
			   "causes may hide behind others.");
		return;
	}
	for (int i = 0; i < SIGHTS; i++) {
		struct buf text = { 0 };

		if (explain_unseen(r->explain, (enum sight)i, &text)) {
			buf_mem(&text, "", 1);
			if (!text.failed)
				line_wrap(&r->line, PAINT_NONE, text.data, 0, r->width);
			line_end(&r->line);
		}
		r->line.out->failed = r->line.out->failed || text.failed;
		buf_free(&text);
	}
}

/* Of a direction that nobody could see there is no number. */
static void put_resets(struct report *r)
{
	const struct explain_totals *t = explain_totals(r->explain);
	char sent[40] = "those sent not seen", received[40] = "those received not seen";
	char lost[48] = "";

	if (!t->resets_sent && !t->resets_received && !t->lost_resets)
		return;
	if (t->resets_sent || !evidence_lacks(&t->evidence, SIGHT_RESETS_SENT))
		snprintf(sent, sizeof(sent), "%llu sent", (unsigned long long)t->resets_sent);
	if (t->resets_received || !evidence_lacks(&t->evidence, SIGHT_RESETS_RECEIVED))
		snprintf(received, sizeof(received), "%llu received",
			 (unsigned long long)t->resets_received);
	if (t->lost_resets)
		snprintf(lost, sizeof(lost), ", %llu not reported", (unsigned long long)t->lost_resets);
	wrap(r, 0, "resets: %s, %s%s; tcpshake tail --events reset shows them", sent,
	     received, lost);
}

/* What stands between this report and the truth, and what it leaves out. */
static void put_notes(struct report *r, const struct input_report *report, size_t shown)
{
	const struct explain_totals *t = explain_totals(r->explain);
	uint64_t skipped = report->bad + report->foreign + report->oversized + report->cut;
	char text[64];

	line_end(&r->line);
	if (explain_count(r->explain) > shown)
		wrap(r, 0, "and %s; all are shown without a terminal, or with --json",
		     plural(text, sizeof(text), explain_count(r->explain) - shown, "more cause"));
	if (t->undiagnosed)
		wrap(r, 0, "%s without a cause in the record: of a daemon before schema 1.2",
		     plural(text, sizeof(text), t->undiagnosed, "handshake"));
	put_resets(r);
	if (t->lost_records > t->lost_resets)
		wrap(r, 0, "%s lost, so the feed says: these figures are lower bounds",
		     plural(text, sizeof(text), t->lost_records - t->lost_resets, "record"));
	if (report->missing)
		wrap(r, 0, "%s missing, by the gaps in seq",
		     plural(text, sizeof(text), report->missing, "record"));
	if (skipped)
		wrap(r, 0, "%s skipped", plural(text, sizeof(text), skipped, "line"));
	put_unseen(r);
}

static bool several_namespaces(const struct explain *e)
{
	for (size_t i = 1; i < explain_count(e); i++)
		if (explain_at(e, i)->netns != explain_at(e, 0)->netns)
			return true;
	return false;
}

void explain_render(const struct explain *e, const struct explain_source *from,
		    const struct input_report *report, const struct style *style, struct buf *b)
{
	struct report r = { .explain = e, .from = from, .width = DEFAULT_WIDTH,
			    .line = { .out = b, .style = style } };
	size_t shown = explain_count(e) < from->most ? explain_count(e) : from->most, before;

	if (style->terminal)
		r.width = style->columns < MIN_WIDTH ? MIN_WIDTH :
			  style->columns > MAX_WIDTH ? MAX_WIDTH : style->columns;
	r.namespaces = several_namespaces(e);
	put_verdict(&r);
	put_origin(&r);
	for (size_t i = 0; i < shown; i++)
		put_cause(&r, i + 1, explain_at(e, i));
	before = b->len;
	put_notes(&r, report, shown);
	/* No blank line at the very end. */
	if (b->len == before + 1)
		b->len--;
}
