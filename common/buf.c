// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "buf.h"

#include <stdlib.h>

bool buf_reserve(struct buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 1024;
	char *data;

	if (b->failed)
		return false;
	if (b->cap - b->len >= more)
		return true;
	while (cap - b->len < more)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

void buf_free(struct buf *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

void buf_consume(struct buf *b, size_t len)
{
	b->len -= len;
	if (len && b->len)
		memmove(b->data, b->data + len, b->len);
}

void buf_u64(struct buf *b, uint64_t value)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";
	char digits[20], *p = digits + sizeof(digits);

	while (value >= 100) {
		p -= 2;
		memcpy(p, pairs + 2 * (value % 100), 2);
		value /= 100;
	}
	if (value >= 10) {
		p -= 2;
		memcpy(p, pairs + 2 * value, 2);
	} else {
		*--p = (char)('0' + value);
	}
	buf_mem(b, p, (size_t)(digits + sizeof(digits) - p));
}

void buf_hex64(struct buf *b, uint64_t value)
{
	char digits[16];

	for (int i = 15; i >= 0; i--, value >>= 4)
		digits[i] = "0123456789abcdef"[value & 15];
	buf_mem(b, digits, sizeof(digits));
}

/*
 * The length of the well-formed UTF-8 sequence at `s` (RFC 3629: no overlong forms, no
 * surrogates, nothing above U+10FFFF), or 0. `max` bytes may be read.
 */
static size_t utf8_sequence(const unsigned char *s, size_t max)
{
	size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

	if (s[0] < 0xc2 || s[0] > 0xf4 || len > max)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

static void escape_control(struct buf *b, unsigned char c)
{
	char escaped[6] = { '\\', 'u', '0', '0', "01"[c >> 4], "0123456789abcdef"[c & 15] };

	buf_mem(b, escaped, sizeof(escaped));
}

void buf_json_str(struct buf *b, const char *s, size_t max)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t len = strnlen(s, max), plain = 0, i = 0;

	buf_lit(b, "\"");
	while (i < len) {
		size_t step = u[i] < 0x80 ? 1 : utf8_sequence(u + i, len - i);

		if (step && u[i] >= 0x20 && u[i] != '"' && u[i] != '\\') {
			i += step;
			continue;
		}
		buf_mem(b, s + plain, i - plain);
		if (!step)
			buf_lit(b, "\xef\xbf\xbd");
		else if (u[i] < 0x20)
			escape_control(b, u[i]);
		else
			buf_mem(b, (char[2]){ '\\', s[i] }, 2);
		plain = ++i;
	}
	buf_mem(b, s + plain, len - plain);
	buf_lit(b, "\"");
}
