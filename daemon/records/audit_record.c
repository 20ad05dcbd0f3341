// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/records/audit_record.h"

#include "daemon/records/parts.h"

static void put_difference(struct buf *b, int64_t difference)
{
	buf_lit(b, "\"difference\":");
	if (difference < 0)
		buf_lit(b, "-");
	buf_u64(b, difference < 0 ? 0 - (uint64_t)difference : (uint64_t)difference);
}

void record_audit(struct buf *b, const struct audit_report *r)
{
	buf_lit(b, ",");
	put_count(b, "netns", r->netns);
	buf_lit(b, ",");
	put_count(b, "interval_ns", r->interval_ns);
	buf_lit(b, ",\"counters\":[");
	for (int i = 0; i < AUDIT_COUNTERS; i++) {
		if (i)
			buf_lit(b, ",");
		buf_lit(b, "{\"name\":");
		buf_json_str(b, r->rows[i].name, SIZE_MAX);
		buf_lit(b, ",");
		put_count(b, "kernel", r->rows[i].kernel);
		buf_lit(b, ",");
		put_count(b, "observed", r->rows[i].observed);
		buf_lit(b, ",");
		put_difference(b, r->rows[i].difference);
		buf_lit(b, ",\"rule\":");
		if (r->rows[i].rule)
			buf_json_str(b, r->rows[i].rule, SIZE_MAX);
		else
			buf_lit(b, "null");
		buf_lit(b, "}");
	}
	buf_lit(b, "],\"balanced\":");
	put_bool(b, r->balanced);
	buf_lit(b, "}\n");
}
