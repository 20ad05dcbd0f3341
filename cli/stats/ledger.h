/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The daemon's books: totals, losses, and the last audit of each network namespace, from the
 * answer to {"op":"stats"} or from a recording, of which the last feed counts; of each host its own. Pure.
 */
#ifndef TCPSHAKE_LEDGER_H
#define TCPSHAKE_LEDGER_H

#include "cli/feed/parsed_record.h"
#include "cli/text/terminal.h"

#include "common/buf.h"

struct ledger;

struct ledger *ledger_new(void);
void ledger_free(struct ledger *l);

void ledger_clear(struct ledger *l);
/* Take a record, and its line without newline. */
void ledger_add(struct ledger *l, const struct record *r, const char *line, size_t len);

/* Append it as tables. Its last line says whether the audits balance. */
void ledger_render(const struct ledger *l, const struct style *style, struct buf *b);
/* Append the last audits, by netns, and the last totals, a line each. */
void ledger_json(const struct ledger *l, struct buf *b);

#endif
