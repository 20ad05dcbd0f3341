/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a feed amounted to. Pure: records in, a few lines of text out. */
#ifndef TCPSHAKE_SUMMARY_H
#define TCPSHAKE_SUMMARY_H

#include <stdio.h>

#include "cli/feed/input.h"

#include "common/buf.h"

struct summary;

struct summary *summary_new(void);
void summary_free(struct summary *s);

void summary_add(struct summary *s, const struct record *r);
/* Append it, in ASCII and without colour. */
void summary_print(const struct summary *s, const struct input_report *report, struct buf *b);
/* Write it to standard output or standard error, below what stands on a terminal. */
void summary_write(const struct summary *s, const struct input_report *report, FILE *to);

#endif
