// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/text/line.h"
#include "cli/text/text.h"

#include <stdarg.h>

static const char *const sgr[PAINTS] = {
	[PAINT_DIM] = "\033[2m",   [PAINT_BOLD] = "\033[1m", [PAINT_GOOD] = "\033[32m",
	[PAINT_WARN] = "\033[33m", [PAINT_BAD] = "\033[31m", [PAINT_LOUD] = "\033[1;37;41m",
};

void line_put(struct line *l, enum paint paint, const char *text)
{
	bool colored = l->style->color && sgr[paint];

	if (!*text)
		return;
	if (colored)
		buf_str(l->out, sgr[paint]);
	l->columns += text_append(l->out, text, l->style->utf8);
	if (colored)
		buf_lit(l->out, "\033[0m");
}

void line_format(struct line *l, enum paint paint, const char *format, ...)
{
	struct buf text = { 0 };
	va_list args;

	va_start(args, format);
	buf_format_list(&text, format, args);
	va_end(args);
	line_put(l, paint, buf_text(&text));
	l->out->failed = l->out->failed || text.failed;
	buf_free(&text);
}

void line_pad(struct line *l, size_t column)
{
	for (; l->columns < column; l->columns++)
		buf_lit(l->out, " ");
}

void line_cell(struct line *l, enum paint paint, const char *text, size_t width)
{
	size_t end = l->columns + width;

	line_put(l, paint, text);
	line_pad(l, end);
}

void line_cell_right(struct line *l, enum paint paint, const char *text, size_t width)
{
	size_t len = strlen(text);

	if (len < width)
		line_pad(l, l->columns + width - len);
	line_put(l, paint, text);
}

void line_wrap(struct line *l, enum paint paint, const char *text, size_t indent, size_t width)
{
	for (bool first = true; *text; first = false) {
		size_t bytes = strcspn(text, " "), columns = 0;

		for (size_t i = 0; i < bytes; i++)
			columns += ((unsigned char)text[i] & 0xc0) != 0x80;
		if (!first && l->columns + 1 + columns > width) {
			line_end(l);
			line_pad(l, indent);
		} else if (!first) {
			buf_lit(l->out, " ");
			l->columns++;
		}
		line_format(l, paint, "%.*s", (int)bytes, text);
		text += bytes;
		text += strspn(text, " ");
	}
}

void line_end(struct line *l)
{
	buf_lit(l->out, "\n");
	l->columns = 0;
}
