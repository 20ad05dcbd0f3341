/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ranked causes as a report for people, or as JSON. Pure. */
#ifndef TCPSHAKE_EXPLAIN_RENDER_H
#define TCPSHAKE_EXPLAIN_RENDER_H

#include "cli/explain/sentences.h"
#include "cli/feed/reader.h"
#include "cli/text/terminal.h"

#include "common/buf.h"

void explain_render(const struct explain *e, const struct explain_source *from,
		    const struct input_report *report, const struct style *style, struct buf *b);
/* A line a cause, and one that sums up. */
void explain_json(const struct explain *e, const struct explain_source *from, const struct input_report *report,
		  struct buf *b);

#endif
