/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sections of the page, each in a file of its own. */
#ifndef TCPSHAKE_REPORT_PAGE_INTERNAL_H
#define TCPSHAKE_REPORT_PAGE_INTERNAL_H

#include "cli/explain/sentences.h"
#include "cli/report/html.h"
#include "cli/report/page.h"
#include "cli/report/plot.h"

#include <linux/types.h>

#define MAP_BANDS 18
#define MAP_LEVELS 6
#define QUEUES_DRAWN 12
#define CAUSES_SHOWN 40
#define PLACES_SHOWN 20

struct sections {
	const struct report_page *page;
	const struct report_model *model;
	const struct explain *explain;
	struct buf *b;
	struct plot_marks marks;
	bool places; /* there are several namespaces or hosts: say which */
};

/* What failed, since when, whose, and the first thing to do. */
void section_head(struct sections *s);
/* Rates and outcomes over time. */
void section_timeline(struct sections *s);
/* The maps of latencies. */
void section_latency(struct sections *s);
void section_queues(struct sections *s);
void section_causes(struct sections *s);
/* Destinations and processes. */
void section_places(struct sections *s);
void section_audit(struct sections *s);
/* What nobody could see, what was lost, and what is folded here. */
void section_unseen(struct sections *s);

/* ---- what they share; page_parts.c ---- */

/* "2026-11-20 10:47:46.123 UTC" of a record's time; "at an unknown time" of "". */
void put_time(struct buf *b, const char *ts);
/* "10:47:46" of a column. */
const char *column_clock(const struct grid *g, unsigned column, char *out, size_t size);
/* "12.5/s" of a count in a column. */
const char *column_rate(const struct grid *g, uint64_t count, char *out, size_t size);
/* "10.0.0.2:443", "[2001:db8::1]:443", and where there are several namespaces or hosts, which. */
void put_place(struct sections *s, const struct tally_key *key);
/* " of alpha" where there are several hosts. */
void put_host(struct sections *s, const struct tally_key *key);
/* " in shop/cart-0/web": its container, if it is known. */
void put_container(struct sections *s, uint32_t container);
/* " in this recording", or " in this feed" of a live one. */
void put_in_feed(struct sections *s);
void put_advice(struct sections *s, const struct explain_cause *c);
/* The colour of a cause or of the whole: "failed", "harmed" or "". */
const char *severity(uint64_t failed, uint64_t harmed);

#endif
