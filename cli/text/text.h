/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Strings from outside on their way to a terminal. A comm or a path may hold any byte, and a
 * recording comes from anywhere: what could steer a terminal must not reach it.
 */
#ifndef TCPSHAKE_TEXT_H
#define TCPSHAKE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

/* As duration_format(), in one word, for awk(1): "1.20s". */
const char *text_duration(uint64_t ns, char *out, size_t size);

/* "1 handshake", "2 handshakes" */
const char *text_plural(char *out, size_t size, uint64_t count, const char *what);

enum { TEXT_PORT = sizeof("[]:65535") }; /* what text_endpoint() adds to an address, and its end */

/* "10.0.0.2:443", "[2001:db8::1]:443": its address as it is. */
const char *text_endpoint(char *out, size_t size, const char *addr, uint32_t port);

/*
 * Append `s` in one line: control characters (C0, DEL, C1), line and paragraph separators,
 * characters that change the writing direction, and what is no UTF-8 become '?'. Without `utf8`
 * so does all that is not ASCII. Returns the columns it takes, one for each character.
 */
size_t text_append(struct buf *b, const char *s, bool utf8);

/*
 * The places, of `columns`, of the bar for `value` of the max + 1 that a queue holds: one as soon as there
 * is any, all only if it is full.
 */
unsigned text_bar(uint64_t value, uint64_t max, unsigned columns);

#endif
