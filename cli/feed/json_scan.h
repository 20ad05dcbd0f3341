/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * JSON as programs write it, from left to right: no spaces, no escapes, numbers as integers. Each function takes what
 * it is named after, or returns false where the text is anything else: then another parser is to read it. Pure.
 */
#ifndef TCPSHAKE_JSON_SCAN_H
#define TCPSHAKE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_scan {
	const char *at, *end;
};

/* The next byte, or 0 at the end. */
static inline char json_next(const struct json_scan *s)
{
	return s->at < s->end ? *s->at : '\0';
}

static inline bool json_take_char(struct json_scan *s, char c)
{
	if (json_next(s) != c)
		return false;
	s->at++;
	return true;
}

/* Bytes that are known: a literal, punctuation. */
bool json_take(struct json_scan *s, const char *text, size_t len);
/* A string without escapes and control characters: where it is, without its quotes. */
bool json_take_string(struct json_scan *s, const char **text, size_t *len);
/* An integer from 0 on that fits. */
bool json_take_u64(struct json_scan *s, uint64_t *value);
/* Any value that is JSON by RFC 8259, a few levels deep. */
bool json_skip(struct json_scan *s);

#endif
