// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/utf8.h"

uint32_t utf8_decode(const char *s, size_t max, size_t *len)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)s[0];
	size_t n = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	uint32_t c;

	*len = 1;
	if (n == 1)
		return first;
	if (first < 0xc2 || first > 0xf4 || n > max)
		return UTF8_INVALID;
	c = first & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return UTF8_INVALID;
		c = c << 6 | ((unsigned char)s[i] & 0x3f);
	}
	if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return UTF8_INVALID;
	*len = n;
	return c;
}

bool utf8_is_harmful(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x00, 0x1f },	    { 0x7f, 0x9f },	{ 0x61c, 0x61c },
		{ 0x200e, 0x200f }, { 0x2028, 0x202e }, { 0x2066, 0x2069 },
		{ UTF8_INVALID, UTF8_INVALID },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}
