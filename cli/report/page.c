// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/report/page_internal.h"
#include "cli/report/style.h"

#include "common/clock.h"

/* When the worst cause was first seen, in nanoseconds since the epoch; 0: there is none, or it has no time. */
static uint64_t since_of(const struct explain *e)
{
	return explain_count(e) ? record_time_of(explain_at(e, 0)->first) : 0;
}

static void open_page(struct sections *s)
{
	/* Nothing is loaded and nothing runs, whatever the names in a feed try. */
	buf_lit(s->b, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
		      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
		      "base-uri 'none'; form-action 'none'\">\n"
		      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		      "<meta name=\"referrer\" content=\"no-referrer\">\n<title>TCP handshakes of ");
	html_put(s->b, "%s</title>\n<style>\n", *s->model->host ? s->model->host : "a host");
	buf_str(s->b, report_style);
	buf_lit(s->b, "</style></head><body>\n");
}

static void put_navigation(struct buf *b)
{
	static const struct {
		const char *id, *name;
	} links[] = {
		{ "timeline", "Timeline" }, { "latency", "Latency" }, { "queues", "Queues" },
		{ "causes", "Causes" },	    { "places", "Destinations and processes" },
		{ "audit", "Audit" },	    { "unseen", "Not seen" },
	};

	buf_lit(b, "<nav aria-label=\"Sections\">");
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		html_put(b, "<a href=\"#%s\">%s</a> ", links[i].id, links[i].name);
	buf_lit(b, "</nav>\n");
}

static void close_page(struct buf *b)
{
	buf_lit(b, "</main>\n<footer><p>Made by tcpshake " TCPSHAKE_VERSION ". All times are UTC. Latencies are within 1.6 %. "
		   "The same recording always gives the same page, but for the values of this host's sysctls, which are those of now."
		   "</p></footer></body></html>\n");
}

void report_page(const struct report_page *page, struct buf *b)
{
	struct sections s = { .page = page, .model = page->model, .explain = page->model->explain, .b = b };

	s.places = explain_has_places(s.explain);
	plot_marks_of(&s.marks, &s.model->grid, since_of(s.explain));
	open_page(&s);
	section_head(&s);
	put_navigation(b);
	buf_lit(b, "<main>\n");
	section_timeline(&s);
	section_latency(&s);
	section_queues(&s);
	section_causes(&s);
	section_places(&s);
	section_audit(&s);
	section_unseen(&s);
	close_page(b);
}
