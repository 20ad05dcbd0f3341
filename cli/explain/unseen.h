/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What could not be seen on the feed's host, and which causes may hide behind those found. Pure. */
#ifndef TCPSHAKE_EXPLAIN_UNSEEN_H
#define TCPSHAKE_EXPLAIN_UNSEEN_H

#include "cli/feed/evidence.h"
#include "cli/explain/model.h"

#include "common/buf.h"

/* May what the sight would have shown stand behind this cause? */
bool explain_may_hide(const struct explain_cause *c, const struct evidence *e, enum sight sight);

/*
 * A sentence without a newline about a sight that the feed's host lacks. False, and nothing is
 * appended, if it hides nothing of what was found, and nothing else is missing for want of it.
 */
bool explain_unseen(const struct explain *e, enum sight sight, struct buf *b);

/* ,"unseen":[…] of the summary: all that is lacking; null if nobody said what there is. */
void explain_unseen_json(const struct explain *e, struct buf *b);
/* ,"may_hide":[…] of a cause; nothing if nothing may. */
void explain_may_hide_json(const struct explain_cause *c, const struct evidence *e, struct buf *b);

#endif
