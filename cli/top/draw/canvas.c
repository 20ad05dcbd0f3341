// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/top/draw/canvas.h"
#include "cli/text/text.h"

#include <errno.h>
#include <stdlib.h>
#include <wchar.h>

#define ELLIPSIS 0x2026

int top_canvas_resize(struct top_canvas *c, unsigned rows, unsigned columns)
{
	free(c->glyphs);
	c->glyphs = calloc((size_t)rows * columns + 1, sizeof(*c->glyphs));
	c->rows = c->glyphs ? rows : 0;
	c->columns = c->glyphs ? columns : 0;
	top_canvas_clear(c);
	return c->glyphs ? 0 : -ENOMEM;
}

void top_canvas_clear(struct top_canvas *c)
{
	for (size_t i = 0; i < (size_t)c->rows * c->columns; i++)
		c->glyphs[i] = (struct top_glyph){ .character = ' ', .paint = TOP_PLAIN };
}

void top_canvas_free(struct top_canvas *c)
{
	free(c->glyphs);
	c->glyphs = NULL;
	c->rows = c->columns = 0;
}

void top_put_char(struct top_canvas *c, unsigned row, unsigned column, enum top_paint paint,
		  uint32_t character)
{
	if (row < c->rows && column < c->columns)
		c->glyphs[(size_t)row * c->columns + column] =
			(struct top_glyph){ .character = character, .paint = (uint8_t)paint };
}

/* The character at valid UTF-8, which is what text_append() makes; `*text` goes past it. */
static uint32_t next_character(const char **text)
{
	const unsigned char *s = (const unsigned char *)*text;
	unsigned n = *s < 0x80 ? 1 : *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : 2;
	uint32_t character = n == 1 ? *s : *s & (0xffu >> (n + 1));

	for (unsigned i = 1; i < n; i++)
		character = character << 6 | (s[i] & 0x3f);
	*text += n;
	return character;
}

/* Our own signs are narrow everywhere; of others the locale knows. */
static bool is_narrow(uint32_t character)
{
	return (character >= ' ' && character < 0x300) ||
	       (character >= 0x2010 && character < 0x2c00) || wcwidth((wchar_t)character) == 1;
}

/* Made safe, and how many columns it takes. */
static unsigned make_safe(const struct top_canvas *c, const char *text, struct buf *safe)
{
	size_t columns = text_append(safe, text, c->utf8);

	buf_mem(safe, "", 1);
	return safe->failed ? 0 : (unsigned)columns;
}

static unsigned put_safe(struct top_canvas *c, unsigned row, unsigned column, unsigned width,
			 enum top_paint paint, const struct buf *safe)
{
	const char *text = safe->data;
	unsigned used = 0;

	for (; !safe->failed && *text && used < width; used++) {
		uint32_t character = next_character(&text);

		if (used + 1 == width && *text)
			character = c->utf8 ? ELLIPSIS : '~';
		top_put_char(c, row, column + used, paint, is_narrow(character) ? character : '?');
	}
	return used;
}

unsigned top_put(struct top_canvas *c, unsigned row, unsigned column, unsigned width,
		 enum top_paint paint, const char *text)
{
	struct buf safe = { 0 };
	unsigned used;

	make_safe(c, text, &safe);
	used = put_safe(c, row, column, width, paint, &safe);
	buf_free(&safe);
	return used;
}

unsigned top_put_right(struct top_canvas *c, unsigned row, unsigned column, unsigned width,
		       enum top_paint paint, const char *text)
{
	struct buf safe = { 0 };
	unsigned columns = make_safe(c, text, &safe);
	unsigned used = put_safe(c, row, column + (columns < width ? width - columns : 0), width,
				 paint, &safe);

	buf_free(&safe);
	return used;
}

unsigned top_put_parts(struct top_canvas *c, unsigned row, unsigned column, unsigned width,
		       enum top_paint paint, const char *head, const char *tail)
{
	struct buf safe = { 0 };
	unsigned rest = make_safe(c, tail, &safe), used = 0;

	if (rest < width)
		used = top_put(c, row, column, width - rest, paint, head);
	used += put_safe(c, row, column + used, width - used, paint, &safe);
	buf_free(&safe);
	return used;
}

unsigned top_put_wrapped(struct top_canvas *c, unsigned row, unsigned column, unsigned width,
			 unsigned rows, enum top_paint paint, const char *text)
{
	char line[512];
	unsigned used = 0;

	while (*text && used < rows && width) {
		size_t len = strlen(text), end = len;

		if (len > width && used + 1 < rows) {
			end = width;
			while (end && text[end] != ' ')
				end--;
			end = end ? end : width;
		}
		if (end >= sizeof(line))
			end = sizeof(line) - 1;
		memcpy(line, text, end);
		line[end] = '\0';
		top_put(c, row + used++, column, width, paint, line);
		text += end;
		text += strspn(text, " ");
	}
	return used;
}

void top_select(struct top_canvas *c, unsigned row, unsigned column, unsigned width)
{
	for (unsigned i = column; row < c->rows && i < c->columns && i < column + width; i++)
		c->glyphs[(size_t)row * c->columns + i].selected = true;
}

static void put_utf8(struct buf *b, uint32_t c)
{
	char text[4];
	size_t n = 0;

	if (c < 0x80) {
		text[n++] = (char)c;
	} else if (c < 0x800) {
		text[n++] = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		text[n++] = (char)(0xe0 | c >> 12);
		text[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		text[n++] = (char)(0xf0 | c >> 18);
		text[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		text[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	}
	if (c >= 0x80)
		text[n++] = (char)(0x80 | (c & 0x3f));
	buf_mem(b, text, n);
}

void top_canvas_text(const struct top_canvas *c, struct buf *b)
{
	for (unsigned row = 0; row < c->rows; row++) {
		const struct top_glyph *line = c->glyphs + (size_t)row * c->columns;
		unsigned end = c->columns;

		while (end && line[end - 1].character == ' ')
			end--;
		for (unsigned i = 0; i < end; i++)
			put_utf8(b, line[i].character);
		buf_lit(b, "\n");
	}
}
