// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/utf8.h"

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

void buf_format_list(struct buf *b, const char *format, va_list args)
{
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, args);
	if (len > 0 && buf_reserve(b, (size_t)len + 1))
		b->len += (size_t)vsnprintf(b->data + b->len, (size_t)len + 1, format, again);
	va_end(again);
}

void buf_format(struct buf *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_format_list(b, format, args);
	va_end(args);
}

const char *buf_text(struct buf *b)
{
	buf_mem(b, "", 1);
	return b->failed ? "?" : b->data;
}

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
			    "25262728293031323334353637383940414243444546474849"
			    "50515253545556575859606162636465666768697071727374"
			    "75767778798081828384858687888990919293949596979899";

/* How many decimal digits it has. */
static unsigned int digits_of(uint64_t value)
{
	static const uint64_t power[20] = {
		1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000,
		100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000,
		10000000000000000, 100000000000000000, 1000000000000000000, 10000000000000000000U,
	};
	unsigned int bits = 64 - (unsigned int)__builtin_clzll(value | 1);
	unsigned int most = bits * 1233 >> 12; /* log10(2) is 1233/4096, near enough */

	return most + (value >= power[most]);
}

/* Of four digits no step waits for the one before, unlike digit by digit. */
static inline void put_four(char *p, uint32_t value)
{
	memcpy(p, pairs + 2 * (value / 100), 2);
	memcpy(p + 2, pairs + 2 * (value % 100), 2);
}

/* The last `len` digits, written backwards from `end`. */
static void put_digits(char *end, uint64_t value, unsigned int len)
{
	uint32_t low;

	for (; len >= 8; len -= 8, value /= 100000000) {
		low = (uint32_t)(value % 100000000);
		end -= 8;
		put_four(end, low / 10000);
		put_four(end + 4, low % 10000);
	}
	low = (uint32_t)(value % 100000000);
	if (len >= 4) {
		end -= 4;
		len -= 4;
		put_four(end, low % 10000);
		low /= 10000;
	}
	if (len >= 2) {
		end -= 2;
		len -= 2;
		memcpy(end, pairs + 2 * (low % 100), 2);
		low /= 100;
	}
	if (len)
		end[-1] = (char)('0' + low % 10);
}

void buf_digits(struct buf *b, uint64_t value, unsigned int len)
{
	if (b->cap - b->len < len && !buf_reserve(b, len))
		return;
	b->len += len;
	put_digits(b->data + b->len, value, len);
}

void buf_u64(struct buf *b, uint64_t value)
{
	char digit = (char)('0' + value % 10);

	if (value < 10) /* most counts are */
		buf_mem(b, &digit, 1);
	else
		buf_digits(b, value, digits_of(value));
}

static void put_hex(struct buf *b, uint64_t value, unsigned int digits)
{
	if (b->cap - b->len < digits && !buf_reserve(b, digits))
		return;
	b->len += digits;
	for (char *p = b->data + b->len, *first = p - digits; p > first; value >>= 4)
		*--p = "0123456789abcdef"[value & 15];
}

void buf_hex64(struct buf *b, uint64_t value)
{
	put_hex(b, value, 16);
}

void buf_hex32(struct buf *b, uint32_t value)
{
	put_hex(b, value, 8);
}

/* A JSON escape (RFC 8259) of a character below U+10000. */
static void put_escape(struct buf *b, uint32_t c)
{
	char text[12];

	buf_mem(b, text, (size_t)snprintf(text, sizeof(text), "\\u%04x", c));
}

/* The bytes that stand for themselves in a JSON string, each alone: ASCII less its controls, quote and backslash. */
static const bool is_plain[256] = {
	[' ' ... '!'] = true,
	['#' ... '['] = true,
	[']' ... '~'] = true,
};

static void put_special(struct buf *b, uint32_t c)
{
	if (c == UTF8_INVALID)
		buf_lit(b, "\xef\xbf\xbd");
	else if (utf8_is_harmful(c))
		put_escape(b, c);
	else
		buf_mem(b, (char[2]){ '\\', (char)c }, 2);
}

void buf_json_str(struct buf *b, const char *s, size_t max)
{
	size_t len = strnlen(s, max), plain = 0, i = 0, n;

	buf_lit(b, "\"");
	for (;;) {
		uint32_t c;

		while (i < len && is_plain[(unsigned char)s[i]])
			i++;
		if (i == len)
			break;
		c = utf8_decode(s + i, len - i, &n);
		if (c < 0x80 || utf8_is_harmful(c)) {
			buf_mem(b, s + plain, i - plain);
			put_special(b, c);
			plain = i + n;
		}
		i += n;
	}
	buf_mem(b, s + plain, len - plain);
	buf_lit(b, "\"");
}

void buf_safe(struct buf *b, const char *text, size_t len)
{
	size_t plain = 0, i = 0, n;

	for (; i < len; i += n) {
		uint32_t c = utf8_decode(text + i, len - i, &n);

		if (c == '\t' || !utf8_is_harmful(c))
			continue;
		buf_mem(b, text + plain, i - plain);
		put_escape(b, c == UTF8_INVALID ? 0xfffd : c);
		plain = i + n;
	}
	buf_mem(b, text + plain, len - plain);
}
