// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/report/html.h"

#include <linux/types.h>
#include <stdarg.h>
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
	html_put(b, HTML_NAME, s);
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

void html_number(struct buf *b, const char *field, uint64_t n)
{
	html_put(b, "<data class=\"%s\" value=\"%ju\">%'ju</data>", field, n, n);
}

void html_duration(struct buf *b, const char *field, uint64_t ns)
{
	char text[32];

	if (ns == NS_UNKNOWN)
		buf_lit(b, "\u2013");
	else
		html_put(b, "<data class=\"%s\" value=\"%ju\">%s</data>", field, ns,
			 duration_format(ns, text, sizeof(text)));
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

/* The number of a conversion that ends in 'u'. */
static uint64_t take_number(char size, va_list *args)
{
	return size == 'j' ? va_arg(*args, uintmax_t) : size == 'z' ? va_arg(*args, size_t) : va_arg(*args, unsigned);
}

/* What stands for the conversion behind a '%'; its last character. */
static const char *put_value(struct buf *b, const char *conversion, bool in_tag, va_list *args)
{
	bool grouped = *conversion == '\'';
	const char *end = conversion + strcspn(conversion, "sfu%");

	if (*end == 's')
		escape(b, va_arg(*args, const char *), in_tag);
	else if (*end == 'f')
		html_decimal(b, va_arg(*args, double));
	else if (*end == '%')
		buf_lit(b, "%");
	else if (grouped)
		html_count(b, take_number(end[-1], args));
	else
		buf_u64(b, take_number(end[-1], args));
	return end;
}

void html_put(struct buf *b, const char *format, ...)
{
	bool in_tag = false;
	va_list args;

	va_start(args, format);
	for (const char *p = format; *p; p++) {
		in_tag = *p == '<' || (in_tag && *p != '>');
		if (*p == '%')
			p = put_value(b, p + 1, in_tag, &args);
		else
			buf_mem(b, p, 1);
	}
	va_end(args);
}
