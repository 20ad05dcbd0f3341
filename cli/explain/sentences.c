// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/explain/sentences.h"
#include "cli/explain/unseen.h"
#include "cli/feed/containers.h"
#include "cli/text/progress.h"
#include "cli/text/text.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/duration.h"
#include "common/names.h"

bool explain_has_places(const struct explain *e)
{
	for (size_t i = 1; i < explain_count(e); i++)
		if (explain_at(e, i)->netns != explain_at(e, 0)->netns)
			return true;
	return explain_count(e) && explain_at(e, 0)->host;
}

const char *explain_whose(const struct explain_cause *c, bool places, char *out)
{
	char ns[40 + ADDR_SIZE] = "", at[ADDR_SIZE + TEXT_PORT], container[CONTAINER_TEXT];
	int used = 0;

	*out = '\0';
	if (places)
		snprintf(ns, sizeof(ns), " in netns %llu%s%s", (unsigned long long)c->netns, c->host ? " of " : "",
			 c->host ? c->host : "");
	if (c->others) {
		snprintf(out, SENTENCE_SIZE, "others, which are too many to be kept apart");
		return out;
	}
	if (c->has_at)
		used = snprintf(out, SENTENCE_SIZE, "%s%s", text_endpoint(at, sizeof(at), c->addr, c->port), ns);
	else if (c->by != CAUSE_BY_SOURCE)
		used = snprintf(out, SENTENCE_SIZE, "not known, in netns %llu%s%s", (unsigned long long)c->netns,
				c->host ? " of " : "", c->host ? c->host : "");
	if (c->process.known)
		snprintf(out + used, SENTENCE_SIZE - (size_t)used, "%s%s/%llu%s%s", used ? ", " : "", c->process.comm,
			 (unsigned long long)c->process.pid,
			 container_words(&c->process.container, container, sizeof(container)), used ? "" : ns);
	else if (!used)
		snprintf(out, SENTENCE_SIZE, "a process that is not known%s", ns);
	return out;
}

const char *explain_harm(const struct explain_cause *c, char *out)
{
	char count[48], failed[48] = "", lost[32], untimed[48] = "", certainty[80] = "";

	*out = '\0';
	if (!c->handshakes)
		return out;
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
	text_plural(count, sizeof(count), c->handshakes, "handshake");
	if (c->untimed == c->handshakes)
		snprintf(out, SENTENCE_SIZE, "%s%s, time lost not known; %s", count, failed, certainty);
	else
		snprintf(out, SENTENCE_SIZE, "%s%s, %s lost%s; %s", count, failed,
			 duration_format(c->time_lost_ns, lost, sizeof(lost)), untimed, certainty);
	return out;
}

const char *explain_refused_text(const struct explain_refused *s, char *out)
{
	char item[64];

	*out = '\0';
	if (s->syn)
		snprintf(out, SENTENCE_SIZE, "refused %s", text_plural(item, sizeof(item), s->syn, "SYN"));
	if (s->ack)
		snprintf(out + strlen(out), SENTENCE_SIZE - strlen(out), "%s%s", s->syn ? ", " : "refused ",
			 text_plural(item, sizeof(item), s->ack, "final ACK"));
	if (s->cookie)
		snprintf(out + strlen(out), SENTENCE_SIZE - strlen(out), "%sanswered %s with cookies",
			 *out ? "; " : "", text_plural(item, sizeof(item), s->cookie, "SYN"));
	if (*out && s->probable)
		snprintf(out + strlen(out), SENTENCE_SIZE - strlen(out),
			 s->proven ? "; %llu of them probable" : "; probable",
			 (unsigned long long)s->probable);
	return out;
}

const char *explain_outcomes(const struct explain_cause *c, char *out)
{
	*out = '\0';
	for (int i = 0; i <= OUTCOMES; i++)
		if (c->outcomes[i])
			snprintf(out + strlen(out), SENTENCE_SIZE - strlen(out), "%s%s %llu", *out ? ", " : "",
				 i < OUTCOMES ? outcome_names[i] : "other",
				 (unsigned long long)c->outcomes[i]);
	return out;
}

const char *explain_led_text(const struct explain_led *led, char *out)
{
	char from[ADDR_SIZE + TEXT_PORT], to[ADDR_SIZE + TEXT_PORT], who[COMM_SIZE + 32 + CONTAINER_TEXT] = "";
	char container[CONTAINER_TEXT], others[64] = "", count[32];

	*out = '\0';
	if (!led->handshakes)
		return out;
	text_endpoint(from, sizeof(from), led->from.addr, led->from.port);
	text_endpoint(to, sizeof(to), led->to.addr, led->to.port);
	if (led->process.known)
		snprintf(who, sizeof(who), ", %s/%llu%s", led->process.comm, (unsigned long long)led->process.pid,
			 container_words(&led->process.container, container, sizeof(container)));
	if (led->others)
		snprintf(others, sizeof(others), "; it led %s elsewhere", text_plural(count, sizeof(count), led->others, "other"));
	snprintf(out, SENTENCE_SIZE, "led %llu of these from %s to %s%s%s: latency and outcome are from there, not from %s%s",
		 (unsigned long long)led->handshakes, from, to, who, led->home ? ", on the client's own host" : "",
		 from, others);
	return out;
}

const char *explain_verdict(const struct explain_totals *t, char *out)
{
	char lost[64], untimed[48] = "", some[48];

	/* Nobody looks for what is slow unless asked to. */
	if (!t->harmed) {
		snprintf(out, SENTENCE_SIZE, t->slow_wanted ?
			 "no handshake failed, was retransmitted or was slow: %llu seen" :
			 "no handshake failed or was retransmitted: %llu seen",
			 (unsigned long long)t->handshakes);
		return out;
	}
	if (t->untimed == t->harmed)
		snprintf(lost, sizeof(lost), "time lost not known");
	else
		snprintf(lost, sizeof(lost), "%s lost", duration_format(t->time_lost_ns, some, sizeof(some)));
	if (t->untimed && t->untimed != t->harmed)
		snprintf(untimed, sizeof(untimed), " (%llu not timed)", (unsigned long long)t->untimed);
	snprintf(out, SENTENCE_SIZE, "%llu of %s failed (%llu), %s retransmitted or slow; %s%s",
		 (unsigned long long)t->harmed, text_plural(some, sizeof(some), t->handshakes, "handshake"),
		 (unsigned long long)t->failed, t->harmed == 1 ? "was" : "were", lost, untimed);
	return out;
}

const char *explain_origin(const struct explain *e, const struct explain_source *from, char *out)
{
	const struct explain_totals *t = explain_totals(e);

	*out = '\0';
	/* Where there are no values to show, whose they are does not matter. */
	if (!from->recorded || !explain_count(e))
		return out;
	if (from->host.sysctl)
		snprintf(out, SENTENCE_SIZE, "The recording is of this host, since it was booted: the values of "
			 "sysctls are those of now.");
	else if (t->mixed)
		snprintf(out, SENTENCE_SIZE, "The recording is of several hosts or boots: no values of sysctls are "
			 "shown.");
	else if (t->has_host)
		snprintf(out, SENTENCE_SIZE, "The recording is of %s, not of this boot of this host: no values of "
			 "sysctls are shown.", *t->host ? t->host : "another host");
	else
		snprintf(out, SENTENCE_SIZE, "The recording does not say whose it is: no values of sysctls are "
			 "shown.");
	return out;
}

/* ---- what stands between the report and the truth ---- */

struct notes {
	void (*take)(void *ctx, const char *sentence);
	void *ctx;
	bool failed;
};

static void __attribute__((format(printf, 2, 3))) note(const struct notes *n, const char *format, ...)
{
	char text[SENTENCE_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	n->take(n->ctx, text);
}

/* How far the clocks are apart: the order of the records, and causes that are found across hosts, rest on it. */
static void note_clocks(const struct notes *n, const struct input_report *report)
{
	char text[256];

	for (uint32_t i = 1; i < report->host_count && i < CLOCK_HOSTS; i++)
		note(n, "clocks: %s", hosts_clock_text(&report->hosts[0], &report->hosts[i], text, sizeof(text)));
	if (report->host_count > CLOCK_HOSTS)
		note(n, "clocks: %u more hosts are not compared", report->host_count - CLOCK_HOSTS);
}

/* Of a direction that nobody could see there is no number. */
static void note_resets(const struct notes *n, const struct explain_totals *t)
{
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
	note(n, "resets: %s, %s%s; tcpshake tail --events reset shows them", sent, received, lost);
}

static void note_gaps(struct notes *n, const struct input_report *report)
{
	char text[64], most[32];

	if (report->gaps)
		note(n, "%s before a hello: no record of that host, for %s in all",
		     text_plural(text, sizeof(text), report->gaps, "gap"),
		     duration_format(report->gap_ns, most, sizeof(most)));
	if (report->damaged)
		note(n, "%s could not be read to the end",
		     text_plural(text, sizeof(text), report->damaged, "segment"));
}

/* What nobody could see, as far as it matters for what is shown or missing here. */
static void note_unseen(struct notes *n, const struct explain *e)
{
	if (!explain_totals(e)->evidence.known) {
		note(n, "The feed does not say what could be seen on its host (it has no hello): "
			"causes may hide behind others.");
		return;
	}
	for (int i = 0; i < SIGHTS; i++) {
		struct buf text = { 0 };

		if (explain_unseen(e, (enum sight)i, &text)) {
			buf_mem(&text, "", 1);
			if (!text.failed)
				n->take(n->ctx, text.data);
		}
		n->failed = n->failed || text.failed;
		buf_free(&text);
	}
}

bool explain_notes(const struct explain *e, const struct input_report *report,
		   void (*take)(void *ctx, const char *sentence), void *ctx)
{
	const struct explain_totals *t = explain_totals(e);
	uint64_t skipped = report->bad + report->foreign + report->oversized + report->cut;
	struct notes n = { .take = take, .ctx = ctx };
	char text[64];

	if (t->undiagnosed)
		note(&n, "%s without a cause in the record: of a daemon before schema 1.2",
		     text_plural(text, sizeof(text), t->undiagnosed, "handshake"));
	if (t->forgotten)
		note(&n, "%s forgotten: if its other side came so late, it counts twice",
		     text_plural(text, sizeof(text), t->forgotten, "connection"));
	if (t->others)
		note(&n, "%s counted among others: so many places are too many to be kept apart",
		     text_plural(text, sizeof(text), t->others, "record"));
	if (t->containers_omitted)
		note(&n, "%s of containers that are too many to be kept: their processes are shown without one",
		     text_plural(text, sizeof(text), t->containers_omitted, "record"));
	note_clocks(&n, report);
	note_resets(&n, t);
	if (t->lost_records > t->lost_resets)
		note(&n, "%s lost, so the feed says: these figures are lower bounds",
		     text_plural(text, sizeof(text), t->lost_records - t->lost_resets, "record"));
	if (report->missing)
		note(&n, "%s missing, by the gaps in seq",
		     text_plural(text, sizeof(text), report->missing, "record"));
	note_gaps(&n, report);
	if (report->interrupted && report->share == SHARE_UNKNOWN)
		note(&n, "read up to line %llu of the recording: then it was interrupted", (unsigned long long)report->whole);
	else if (report->interrupted)
		note(&n, "read up to line %llu, %llu %% of the recording: then it was interrupted", (unsigned long long)report->whole,
		     (unsigned long long)report->share);
	if (skipped)
		note(&n, "%s skipped", text_plural(text, sizeof(text), skipped, "line"));
	note_unseen(&n, e);
	return !n.failed;
}
