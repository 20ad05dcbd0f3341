// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/text/text.h"

#include <stdio.h>
#include <string.h>

#include "common/duration.h"

#define INVALID UINT32_MAX

const char *text_duration(uint64_t ns, char *out, size_t size)
{
	char *space;

	duration_format(ns, out, size);
	space = strchr(out, ' ');
	if (space)
		memmove(space, space + 1, strlen(space));
	return out;
}

/* The character at `s`, and its length in bytes: RFC 3629, or INVALID and 1. */
static uint32_t decode(const char *s, size_t max, size_t *len)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)s[0];
	size_t n = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	uint32_t c;

	*len = 1;
	if (n == 1)
		return first;
	if (first < 0xc2 || first > 0xf4 || n > max)
		return INVALID;
	c = first & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return INVALID;
		c = c << 6 | ((unsigned char)s[i] & 0x3f);
	}
	if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return INVALID;
	*len = n;
	return c;
}

static bool is_harmful(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x00, 0x1f },	    { 0x7f, 0x9f },	{ 0x61c, 0x61c },
		{ 0x200e, 0x200f }, { 0x2028, 0x202e }, { 0x2066, 0x2069 },
		{ INVALID, INVALID },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

size_t text_append(struct buf *b, const char *s, bool utf8)
{
	size_t len = strlen(s), columns = 0;

	for (size_t i = 0, n; i < len; i += n, columns++) {
		uint32_t c = decode(s + i, len - i, &n);

		if (is_harmful(c) || (c >= 0x80 && !utf8))
			buf_lit(b, "?");
		else
			buf_mem(b, s + i, n);
	}
	return columns;
}

void text_append_json(struct buf *b, const char *line, size_t len)
{
	size_t plain = 0, i = 0, n;

	for (; i < len; i += n) {
		uint32_t c = decode(line + i, len - i, &n);
		char escaped[12];

		if (c == '\t' || !is_harmful(c))
			continue;
		buf_mem(b, line + plain, i - plain);
		snprintf(escaped, sizeof(escaped), "\\u%04x", c == INVALID ? 0xfffd : (unsigned)c);
		buf_str(b, escaped);
		plain = i + n;
	}
	buf_mem(b, line + plain, len - plain);
}

unsigned text_bar(uint64_t value, uint64_t max, unsigned columns)
{
	double share = (double)value / ((double)max + 1) * columns;

	if (!value)
		return 0;
	if (value > max)
		return columns;
	return share < 1 ? 1 : share < columns - 1 ? (unsigned)share : columns - 1;
}

void json_number(struct buf *b, const char *key, uint64_t value)
{
	buf_lit(b, ",\"");
	buf_str(b, key);
	buf_lit(b, "\":");
	buf_u64(b, value);
}

void json_string(struct buf *b, const char *key, const char *value)
{
	buf_lit(b, ",\"");
	buf_str(b, key);
	buf_lit(b, "\":");
	if (value)
		buf_json_str(b, value, SIZE_MAX);
	else
		buf_lit(b, "null");
}
