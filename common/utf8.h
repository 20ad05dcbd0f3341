/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Characters of texts from outside. A comm, a path or an argument may hold any byte, and what could steer a
 * terminal must not reach one. Pure.
 */
#ifndef TCPSHAKE_UTF8_H
#define TCPSHAKE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_INVALID UINT32_MAX

/*
 * The character at `s`, of which `max` bytes may be read, at least one, and its length in bytes. RFC 3629: no
 * overlong forms, no surrogates, nothing above U+10FFFF; else UTF8_INVALID, and 1.
 */
uint32_t utf8_decode(const char *s, size_t max, size_t *len);

/*
 * Control characters (C0, DEL, C1), line and paragraph separators, characters that change the writing direction,
 * and UTF8_INVALID.
 */
bool utf8_is_harmful(uint32_t c);

#endif
