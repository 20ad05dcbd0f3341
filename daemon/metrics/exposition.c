// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/metrics/exposition.h"

#include <stdio.h>
#include <string.h>

static const char *const type_names[] = {
	[METRIC_COUNTER] = "counter",
	[METRIC_GAUGE] = "gauge",
	[METRIC_HISTOGRAM] = "histogram",
};

static void remember(struct exposition *e, const char *name)
{
	for (unsigned int i = 0; i < e->count; i++)
		e->wrong = e->wrong || strcmp(e->seen[i], name) == 0;
	if (e->count < EXPOSITION_FAMILIES)
		e->seen[e->count++] = name;
	else
		e->wrong = true;
}

static void describe(struct exposition *e, const char *what, const char *name, bool total,
		     const char *text)
{
	buf_lit(&e->text, "# ");
	buf_str(&e->text, what);
	buf_lit(&e->text, " ");
	buf_str(&e->text, name);
	if (total)
		buf_lit(&e->text, "_total");
	buf_lit(&e->text, " ");
	buf_str(&e->text, text);
	buf_lit(&e->text, "\n");
}

void exposition_family(struct exposition *e, const char *name, enum metric_type type,
		       const char *unit, const char *help)
{
	bool total = type == METRIC_COUNTER && !e->openmetrics;

	remember(e, name);
	e->family = name;
	e->counter = type == METRIC_COUNTER;
	describe(e, "HELP", name, total, help);
	describe(e, "TYPE", name, total, type_names[type]);
	if (unit && e->openmetrics)
		describe(e, "UNIT", name, false, unit);
}

void exposition_start(struct exposition *e, const char *suffix)
{
	buf_str(&e->text, e->family);
	buf_str(&e->text, suffix);
	e->labelled = false;
}

static void start_label(struct exposition *e, const char *name)
{
	buf_str(&e->text, e->labelled ? "," : "{");
	buf_str(&e->text, name);
	buf_lit(&e->text, "=\"");
	e->labelled = true;
}

void exposition_label(struct exposition *e, const char *name, const char *value)
{
	start_label(e, name);
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			buf_lit(&e->text, "\\");
		if (*value >= ' ' && *value < 127)
			buf_mem(&e->text, value, 1);
		else
			buf_lit(&e->text, "?"); /* a comm may hold any byte, UTF-8 must be whole */
	}
	buf_lit(&e->text, "\"");
}

void exposition_label_number(struct exposition *e, const char *name, uint64_t value)
{
	start_label(e, name);
	buf_u64(&e->text, value);
	buf_lit(&e->text, "\"");
}

static void before_value(struct exposition *e)
{
	buf_str(&e->text, e->labelled ? "} " : " ");
}

void exposition_value(struct exposition *e, uint64_t value)
{
	before_value(e);
	buf_u64(&e->text, value);
	buf_lit(&e->text, "\n");
}

void exposition_seconds(struct exposition *e, uint64_t ns)
{
	char text[32];

	before_value(e);
	snprintf(text, sizeof(text), "%.15g", (double)ns / 1e9);
	buf_str(&e->text, text);
	buf_lit(&e->text, "\n");
}

void exposition_signed(struct exposition *e, int64_t value)
{
	before_value(e);
	if (value < 0)
		buf_lit(&e->text, "-");
	buf_u64(&e->text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
	buf_lit(&e->text, "\n");
}

void exposition_sample_of(struct exposition *e, const char *const *labels,
			  void (*put)(struct exposition *e, uint64_t value), uint64_t value)
{
	exposition_start(e, e->counter ? "_total" : "");
	for (; *labels; labels += 2)
		exposition_label(e, labels[0], labels[1]);
	put(e, value);
}

struct exposition exposition_aside(const struct exposition *e, const char *name)
{
	return (struct exposition){ .openmetrics = e->openmetrics, .containers = e->containers, .fine_port = e->fine_port,
				    .family = name };
}

void exposition_move(struct exposition *e, struct exposition *aside)
{
	e->wrong = e->wrong || aside->wrong || aside->text.failed ||
		   strcmp(e->family, aside->family) != 0;
	buf_mem(&e->text, aside->text.data, aside->text.len);
	buf_free(&aside->text);
}

void exposition_end(struct exposition *e)
{
	if (e->openmetrics)
		buf_lit(&e->text, "# EOF\n");
}
