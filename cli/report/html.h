/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * HTML. A feed comes from anywhere, and its names hold any byte: each goes through html_put() or html_text(), and through
 * nothing else. Pure.
 */
#ifndef TCPSHAKE_REPORT_HTML_H
#define TCPSHAKE_REPORT_HTML_H

#include <stdint.h>

#include "common/buf.h"

#define HTML_TEXT_MAX 2000 /* characters of one text; what is longer ends in an ellipsis */

/*
 * Content: markup is escaped; control characters, what changes the writing direction and what is no UTF-8 become
 * U+FFFD.
 */
void html_text(struct buf *b, const char *s);
/* The same, isolated: what is written from right to left moves nothing around it. */
void html_name(struct buf *b, const char *s);
/*
 * Markup, which is ours, with values as printf(3) has them: %s is escaped as html_text() does, within a tag for quotes, too;
 * %u, %zu and %ju are numbers, with ' as "1,234,567"; %f is a coordinate, as html_decimal() has it.
 */
void html_put(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define HTML_NAME "<bdi>%s</bdi>" /* as html_name() */

/* 1234567 as "1,234,567" */
void html_count(struct buf *b, uint64_t n);
/* The same, with the number in a form for programs. `field` is ours. */
void html_number(struct buf *b, const char *field, uint64_t n);
/* A duration in words, and its nanoseconds for programs; "–" for NS_UNKNOWN. */
void html_duration(struct buf *b, const char *field, uint64_t ns);
/* A number of a path or a coordinate, with two digits at most after the point. */
void html_decimal(struct buf *b, double value);

#endif
