// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/report/html.h"

#include <linux/types.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/duration.h"
#include "common/names.h"
#include "common/utf8.h"

/* What stands for a character of markup; NULL: it stands for itself. */
static const char *entity_of(uint32_t c, bool in_quotes)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return in_quotes ? "&quot;" : NULL;
	case '\'':
		return in_quotes ? "&#39;" : NULL;
	default:
		return NULL;
	}
}

static void escape(struct buf *b, const char *s, bool in_quotes)
{
	size_t len = strlen(s), characters = 0;

	for (size_t i = 0, n; i < len; i += n, characters++) {
		uint32_t c = utf8_decode(s + i, len - i, &n);
		const char *entity = entity_of(c, in_quotes);

		if (characters == HTML_TEXT_MAX) {
			buf_lit(b, "\u2026");
			return;
		}
		if (utf8_is_harmful(c))
			buf_lit(b, "\ufffd");
		else if (entity)
			buf_str(b, entity);
		else
			buf_mem(b, s + i, n);
	}
}

void html_text(struct buf *b, const char *s)
{
	escape(b, s, false);
}

void html_name(struct buf *b, const char *s)
{
	buf_lit(b, "<bdi>");
	html_text(b, s);
	buf_lit(b, "</bdi>");
}

void html_attribute(struct buf *b, const char *name, const char *value)
{
	buf_lit(b, " ");
	buf_str(b, name);
	buf_lit(b, "=\"");
	escape(b, value, true);
	buf_lit(b, "\"");
}

void html_count(struct buf *b, uint64_t n)
{
	char digits[24];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);

	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf_lit(b, ",");
		buf_mem(b, digits + i, 1);
	}
}

static void open_data(struct buf *b, const char *field, uint64_t n)
{
	buf_lit(b, "<data");
	html_attribute(b, "class", field);
	buf_lit(b, " value=\"");
	buf_u64(b, n);
	buf_lit(b, "\">");
}

void html_number(struct buf *b, const char *field, uint64_t n)
{
	open_data(b, field, n);
	html_count(b, n);
	buf_lit(b, "</data>");
}

void html_duration(struct buf *b, const char *field, uint64_t ns)
{
	char text[32];

	if (ns == NS_UNKNOWN) {
		buf_lit(b, "\u2013");
		return;
	}
	open_data(b, field, ns);
	buf_str(b, duration_format(ns, text, sizeof(text)));
	buf_lit(b, "</data>");
}

void html_decimal(struct buf *b, double value)
{
	char text[40];
	size_t len = (size_t)snprintf(text, sizeof(text), "%.2f", value);

	while (len && text[len - 1] == '0')
		len--;
	if (len && text[len - 1] == '.')
		len--;
	buf_mem(b, text, len);
}
