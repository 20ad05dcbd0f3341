/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The page: one HTML file that needs nothing else, no network and no script. Pure. */
#ifndef TCPSHAKE_REPORT_PAGE_H
#define TCPSHAKE_REPORT_PAGE_H

#include "cli/explain/sentences.h"
#include "cli/report/model.h"

struct report_page {
	const struct report_model *model; /* finished */
	const struct explain_source *source;
	const struct input_report *input;
	const struct filter *filter; /* what was read of the feed */
	uint64_t since_ns, until_ns; /* and of when, since the epoch; 0: from its beginning, to its end */
	bool to_the_end; /* it could be read to its end */
};

/* Append it. `b` is `failed` if memory ran out. */
void report_page(const struct report_page *page, struct buf *b);

#endif
