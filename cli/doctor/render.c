// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/doctor/model.h"
#include "cli/text/line.h"

#include <stdio.h>

#include "common/json.h"
#include "common/record_type.h"

#define INDENT 9
#define TEXT_COLUMNS 100 /* what is comfortable to read; a narrower terminal has less */

static const char *const titles[DOCTOR_ABOUTS] = {
	[DOCTOR_KERNEL] = "what the kernel grants",
	[DOCTOR_PRIVILEGE] = "what the daemon may",
	[DOCTOR_MOUNT] = "what is mounted",
	[DOCTOR_SYSCTL] = "sysctls that decide handshakes, in this network namespace",
	[DOCTOR_LISTENER] = "listeners",
};

static const enum paint paints[DOCTOR_VERDICTS] = {
	[DOCTOR_OK] = PAINT_GOOD,     [DOCTOR_NOTE] = PAINT_WARN,   [DOCTOR_WARN] = PAINT_BAD,
	[DOCTOR_MISSING] = PAINT_BAD, [DOCTOR_UNKNOWN] = PAINT_DIM,
};

static void put_sentence(struct line *l, const char *label, const char *text, size_t width)
{
	if (!*text)
		return;
	line_pad(l, INDENT);
	if (*label)
		line_put(l, PAINT_DIM, label);
	line_wrap(l, PAINT_NONE, text, INDENT, width);
	line_end(l);
}

/* What is as it should be takes one line where there are many of its kind. */
static bool is_brief(const struct doctor_finding *f)
{
	return f->verdict == DOCTOR_OK && f->about != DOCTOR_SYSCTL && f->about != DOCTOR_LISTENER;
}

static void put_finding(struct line *l, const struct doctor_finding *f, size_t width)
{
	line_cell(l, paints[f->verdict], doctor_verdict_names[f->verdict], INDENT);
	line_put(l, PAINT_BOLD, f->name);
	if (*f->value && !is_brief(f)) {
		line_put(l, PAINT_NONE, f->about == DOCTOR_SYSCTL ? " = " : ": ");
		line_put(l, PAINT_NONE, f->value);
	}
	if (is_brief(f)) {
		line_put(l, PAINT_DIM, ": ");
		line_wrap(l, PAINT_NONE, f->detail, INDENT, width);
		line_end(l);
		return;
	}
	if (f->required && f->verdict == DOCTOR_MISSING)
		line_put(l, PAINT_BAD, " (required)");
	line_end(l);
	put_sentence(l, "", f->detail, width);
	put_sentence(l, f->verdict == DOCTOR_MISSING ? "to get it: " : "advice: ", f->advice, width);
}

static void put_head(struct line *l, const struct doctor_source *from)
{
	line_put(l, PAINT_BOLD, "tcpshaked ");
	line_put(l, PAINT_BOLD, from->version ? from->version : "?");
	line_put(l, PAINT_NONE, " on ");
	line_put(l, PAINT_NONE, from->host ? from->host : "?");
	line_put(l, PAINT_NONE, ", Linux ");
	line_put(l, PAINT_NONE, from->kernel ? from->kernel : "?");
	line_put(l, PAINT_NONE, from->evidence ? ", evidence: " : ", it cannot run here");
	line_put(l, PAINT_NONE, from->evidence ? from->evidence : "");
	line_put(l, PAINT_NONE, " (");
	line_put(l, PAINT_NONE, from->from);
	line_put(l, PAINT_NONE, ")");
	line_end(l);
}

static void put_sum(struct line *l, const struct doctor *d)
{
	size_t counts[DOCTOR_VERDICTS] = { 0 };
	char text[160];

	for (size_t i = 0; i < doctor_count(d); i++)
		counts[doctor_at(d, i)->verdict]++;
	snprintf(text, sizeof(text), "%zu ok, %zu to know, %zu to look at, %zu missing, %zu unknown",
		 counts[DOCTOR_OK], counts[DOCTOR_NOTE], counts[DOCTOR_WARN], counts[DOCTOR_MISSING],
		 counts[DOCTOR_UNKNOWN]);
	line_end(l);
	line_put(l, PAINT_NONE, text);
	line_end(l);
}

void doctor_render(const struct doctor *d, const struct doctor_source *from,
		   const struct style *style, struct buf *b)
{
	struct line l = { .out = b, .style = style };
	size_t width = TEXT_COLUMNS;

	if (style->terminal && style->columns < width)
		width = style->columns;
	put_head(&l, from);
	for (int about = 0; about < DOCTOR_ABOUTS; about++) {
		bool titled = false;

		for (size_t i = 0; i < doctor_count(d); i++) {
			const struct doctor_finding *f = doctor_at(d, i);

			if ((int)f->about != about)
				continue;
			if (!titled) {
				line_end(&l);
				line_put(&l, PAINT_BOLD, titles[about]);
				line_end(&l);
				titled = true;
			}
			put_finding(&l, f, width);
		}
	}
	put_sum(&l, d);
	b->failed |= d->findings.failed;
}

void doctor_json(const struct doctor *d, struct buf *b)
{
	for (size_t i = 0; i < doctor_count(d); i++) {
		const struct doctor_finding *f = doctor_at(d, i);

		record_type_open(b, RECORD_DOCTOR);
		json_string(b, "about", doctor_about_names[f->about]);
		json_string(b, "name", f->name);
		json_string(b, "verdict", doctor_verdict_names[f->verdict]);
		json_string(b, "value", *f->value ? f->value : NULL);
		if (f->about == DOCTOR_KERNEL || f->about == DOCTOR_PRIVILEGE || f->about == DOCTOR_MOUNT)
			json_bool(b, "required", f->required);
		if (f->netns)
			json_number(b, "netns", f->netns);
		json_string(b, "detail", *f->detail ? f->detail : NULL);
		if (*f->advice)
			json_string(b, "advice", f->advice);
		buf_lit(b, "}\n");
	}
	b->failed |= d->findings.failed;
}
