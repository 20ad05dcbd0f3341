// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/report/page_internal.h"

#include <stdlib.h>

static void put_name(struct sections *s, const struct tally_line *l)
{
	if (!l->key) {
		buf_lit(s->b, "others, which are too many to be kept apart");
	} else if (l->key->port) {
		put_place(s, l->key);
	} else {
		html_name(s->b, *l->key->name ? l->key->name : "?");
		put_container(s, l->key->container);
		put_host(s, l->key);
	}
}

static void put_line(struct sections *s, const struct tally *t, const struct tally_line *l)
{
	struct histogram h;
	struct buf *b = s->b;

	tally_latency(t, l->row, &h);
	buf_lit(b, "<tr><td>");
	put_name(s, l);
	buf_lit(b, "</td><td>");
	html_number(b, "handshakes", l->handshakes);
	buf_str(b, l->failed ? "</td><td class=\"bad\">" : "</td><td>");
	html_number(b, "failed", l->failed);
	buf_lit(b, "</td><td>");
	html_number(b, "retransmitted", l->retransmitted);
	buf_lit(b, "</td><td>");
	html_duration(b, "p50", h.count ? histogram_quantile(&h, 0.5) : NS_UNKNOWN);
	buf_lit(b, "</td><td>");
	html_duration(b, "p99", h.count ? histogram_quantile(&h, 0.99) : NS_UNKNOWN);
	buf_lit(b, "</td></tr>\n");
}

/* The rest in sum. */
static void put_folded(struct buf *b, const struct tally_line *lines, size_t count, size_t shown)
{
	uint64_t handshakes = 0, failed = 0;

	for (size_t i = shown; i < count; i++) {
		handshakes += lines[i].handshakes;
		failed += lines[i].failed;
	}
	html_put(b, "<p class=\"note\">%'zu more are left out here: %'ju handshakes, %'ju failed.</p>\n", count - shown,
		 handshakes, failed);
}

static void put_tally(struct sections *s, const struct tally *t, const char *id, const char *title, const char *first)
{
	size_t count, shown;
	struct tally_line *lines = tally_lines(t, &count);
	struct buf *b = s->b;

	b->failed = b->failed || !lines;
	shown = count < PLACES_SHOWN ? count : PLACES_SHOWN;
	html_put(b, "<div class=\"card\"><h3>%s</h3>\n", title);
	if (count) {
		html_put(b, "<div class=\"scroll\"><table id=\"%s\"><thead><tr><th scope=\"col\">%s</th><th scope=\"col\">handshakes"
			 "</th><th scope=\"col\">failed</th><th scope=\"col\">retransmitted</th><th scope=\"col\">p50</th>"
			 "<th scope=\"col\">p99</th></tr></thead><tbody>\n", id, first);
		for (size_t i = 0; i < shown; i++)
			put_line(s, t, &lines[i]);
		buf_lit(b, "</tbody></table></div>\n");
	} else {
		buf_lit(b, "<p>No record names one.</p>\n");
	}
	if (shown < count)
		put_folded(b, lines, count, shown);
	buf_lit(b, "</div>\n");
	free(lines);
}

void section_places(struct sections *s)
{
	buf_lit(s->b, "<section id=\"places\"><h2>Destinations and processes</h2>\n");
	put_tally(s, &s->model->destinations, "destinations", "Destinations of connections from here", "destination");
	put_tally(s, &s->model->processes, "processes", "Processes, as a client or as a server", "process");
	buf_lit(s->b, "</section>\n");
}
