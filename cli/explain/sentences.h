/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the causes come to in words, for the terminal and for the page. Pure. */
#ifndef TCPSHAKE_EXPLAIN_SENTENCES_H
#define TCPSHAKE_EXPLAIN_SENTENCES_H

#include "cli/explain/advice.h"
#include "cli/explain/model.h"

#define SENTENCE_SIZE 1024

struct findings;

struct explain_source {
	struct explain_host host;
	bool recorded; /* the feed is a recording */
	const struct findings *findings; /* NULL: nobody looked for any */
	size_t most; /* causes to show to a person; SIZE_MAX: all */
};

/* There are several network namespaces or hosts: it matters which. */
bool explain_has_places(const struct explain *e);

/*
 * Each is one line without a newline, in `out` of SENTENCE_SIZE bytes, which is what they return; "" if there is nothing
 * to say. Names in them are the feed's own.
 */
const char *explain_whose(const struct explain_cause *c, bool places, char *out);
const char *explain_harm(const struct explain_cause *c, char *out);
const char *explain_refused_text(const struct explain_refused *s, char *out);
const char *explain_outcomes(const struct explain_cause *c, char *out);
/* Whose latency and outcome these are, if not those of what the clients connected to. */
const char *explain_led_text(const struct explain_led *led, char *out);
/* How many were harmed, of how many. */
const char *explain_verdict(const struct explain_totals *t, char *out);
/* Whose the values of sysctls are. */
const char *explain_origin(const struct explain *e, const struct explain_source *from, char *out);

/* Gives `take` one line for each thing that stands between the report and the truth. False if memory is out. */
bool explain_notes(const struct explain *e, const struct input_report *report,
		   void (*take)(void *ctx, const char *sentence), void *ctx);

#endif
