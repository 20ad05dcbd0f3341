/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A growable byte buffer, and the one JSON writer of the hot path.
 *
 * Appending never fails half way: a buffer that could not grow is marked `failed` and ignores
 * what follows, so a caller checks once, at the end of a record.
 */
#ifndef TCPSHAKE_BUF_H
#define TCPSHAKE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
	char *data;
	size_t len;
	size_t cap;
	bool failed;
};

/* Make room for `more` further bytes; false (and `failed`) if memory is out. */
bool buf_reserve(struct buf *b, size_t more);
void buf_free(struct buf *b);

static inline void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

static inline void buf_mem(struct buf *b, const void *mem, size_t len)
{
	if (!len || (b->cap - b->len < len && !buf_reserve(b, len)))
		return;
	memcpy(b->data + b->len, mem, len);
	b->len += len;
}

/* Append a string literal. */
#define buf_lit(b, literal) buf_mem(b, literal, sizeof(literal) - 1)

static inline void buf_str(struct buf *b, const char *s)
{
	buf_mem(b, s, strlen(s));
}

void buf_format(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3))); /* as printf(3) */
void buf_format_list(struct buf *b, const char *format, va_list args);
/* All of it as a string, once nothing follows any more; "?" if memory was out. */
const char *buf_text(struct buf *b);
void buf_u64(struct buf *b, uint64_t value); /* decimal */
void buf_digits(struct buf *b, uint64_t value, unsigned int len); /* its last `len`, with zeroes before it */
void buf_hex64(struct buf *b, uint64_t value); /* 16 lower-case digits */
void buf_hex32(struct buf *b, uint32_t value); /* 8 of them */
/* Remove the first `len` bytes. */
void buf_consume(struct buf *b, size_t len);

/*
 * A JSON string with its quotes (RFC 8259): quotes, backslashes and what could steer a terminal
 * (utf8_is_harmful()) are escaped; what is not UTF-8 becomes U+FFFD, because a comm or a path may hold any byte.
 * At most `max` bytes are read, fewer if a NUL comes first.
 */
void buf_json_str(struct buf *b, const char *s, size_t max);

/*
 * One line of JSON, or a message, as it is but for harmful characters: as \u escapes they say the same inside a
 * JSON string and do nothing to a terminal. Tabs stay.
 */
void buf_safe(struct buf *b, const char *text, size_t len);

#endif
