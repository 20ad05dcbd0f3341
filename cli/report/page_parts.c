// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/report/page_internal.h"
#include "cli/text/text.h"

#include <stdio.h>
#include <time.h>

#include "common/clock.h"

void put_time(struct buf *b, const char *ts)
{
	char text[64];

	if (!*ts) {
		buf_lit(b, "at an unknown time");
		return;
	}
	/* RFC 3339 in UTC with nanoseconds, unless the feed makes something up: then as it is. */
	if (strlen(ts) == strlen("2026-11-20T10:47:46.123456789Z") && ts[10] == 'T')
		snprintf(text, sizeof(text), "%.10s %.12s UTC", ts, ts + 11);
	else
		snprintf(text, sizeof(text), "%s", ts);
	html_put(b, "<time datetime=\"%s\">%s</time>", ts, text);
}

const char *column_clock(const struct grid *g, unsigned column, char *out, size_t size)
{
	uint64_t ns = grid_begin_ns(g, column);
	time_t seconds = (time_t)(ns / NSEC_PER_SEC);
	struct tm tm;

	*out = '\0';
	if (gmtime_r(&seconds, &tm))
		strftime(out, size, g->step_ns * g->count > 86400 * NSEC_PER_SEC ? "%m-%d %H:%M:%S" : "%H:%M:%S", &tm);
	return out;
}

const char *column_rate(const struct grid *g, uint64_t count, char *out, size_t size)
{
	double rate = g->step_ns ? (double)count * (double)NSEC_PER_SEC / (double)g->step_ns : 0;

	snprintf(out, size, rate >= 100 ? "%.0f/s" : rate >= 10 ? "%.1f/s" : "%.2g/s", rate);
	return out;
}

void put_host(struct sections *s, const struct tally_key *key)
{
	const char *host = explain_host_name(s->explain, key->host);

	if (host)
		html_put(s->b, " <span class=\"small\">of " HTML_NAME "</span>", host);
}

void put_place(struct sections *s, const struct tally_key *key)
{
	struct buf *b = s->b;
	char text[TALLY_NAME + TEXT_PORT];

	html_name(b, text_endpoint(text, sizeof(text), key->name, key->port));
	if (s->places && key->netns)
		html_put(b, " <span class=\"small\">netns %ju</span>", (uintmax_t)key->netns);
	put_host(s, key);
}

void put_container(struct sections *s, uint32_t container)
{
	const struct record_container known = containers_at(&s->model->containers, container);
	char text[CONTAINER_TEXT];

	if (container_text(&known, text, sizeof(text)))
		html_put(s->b, " <span class=\"small\">in " HTML_NAME "</span>", text);
}

void put_in_feed(struct sections *s)
{
	buf_str(s->b, s->page->source->recorded ? " in this recording" : " in this feed");
}

void put_advice(struct sections *s, const struct explain_cause *c)
{
	struct buf text = { 0 };

	explain_advice(c, &s->page->source->host, &text);
	html_text(s->b, buf_text(&text));
	s->b->failed = s->b->failed || text.failed;
	buf_free(&text);
}

const char *severity(uint64_t failed, uint64_t harmed)
{
	return failed ? "failed" : harmed ? "harmed" : "";
}
