// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/text/text.h"

#include <stdio.h>
#include <string.h>

#include "common/duration.h"
#include "common/utf8.h"

const char *text_duration(uint64_t ns, char *out, size_t size)
{
	char *space;

	duration_format(ns, out, size);
	space = strchr(out, ' ');
	if (space)
		memmove(space, space + 1, strlen(space));
	return out;
}

const char *text_plural(char *out, size_t size, uint64_t count, const char *what)
{
	snprintf(out, size, "%llu %s%s", (unsigned long long)count, what, count == 1 ? "" : "s");
	return out;
}

const char *text_endpoint(char *out, size_t size, const char *addr, uint32_t port)
{
	bool ipv6 = strchr(addr, ':');

	snprintf(out, size, "%s%s%s:%u", ipv6 ? "[" : "", addr, ipv6 ? "]" : "", port);
	return out;
}

size_t text_append(struct buf *b, const char *s, bool utf8)
{
	size_t len = strlen(s), columns = 0;

	for (size_t i = 0, n; i < len; i += n, columns++) {
		uint32_t c = utf8_decode(s + i, len - i, &n);

		if (utf8_is_harmful(c) || (c >= 0x80 && !utf8))
			buf_lit(b, "?");
		else
			buf_mem(b, s + i, n);
	}
	return columns;
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
