/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records as lines for people. Pure: the style says what may be used, bytes go to a buffer.
 *
 * There are two layouts. On a terminal under RENDER_WIDE_COLUMNS columns a line drops the role's
 * word (the arrow says it) and the local address; elsewhere, and always in a pipe, all is there.
 */
#ifndef TCPSHAKE_RENDER_H
#define TCPSHAKE_RENDER_H

#include "cli/feed/parsed_record.h"
#include "cli/text/terminal.h"

#include "common/buf.h"

#define RENDER_WIDE_COLUMNS 112

/* Which of the two layouts. */
bool render_is_wide(const struct style *style);
/* The titles of the columns, a line with its newline. */
void render_header(struct buf *b, const struct style *style, bool hosts);
/* A line that says whose the next ones are, where they have no room for it. */
void render_host(struct buf *b, const struct style *style, const char *host);

/* One record with its newline; nothing for those that only matter to a terminal, elsewhere. */
void render_record(struct buf *b, const struct style *style, const struct record *r);

#endif
