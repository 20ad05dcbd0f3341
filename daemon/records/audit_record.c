// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/records/audit_record.h"

#include "daemon/records/parts.h"

static void put_signed(struct buf *b, int64_t difference)
{
	if (difference < 0)
		buf_lit(b, "-");
	buf_u64(b, difference < 0 ? 0 - (uint64_t)difference : (uint64_t)difference);
}

void record_audit(struct buf *b, const struct audit_report *r)
{
	put_member(b, "netns", buf_u64, r->netns);
	put_member(b, "interval_ns", buf_u64, r->interval_ns);
	buf_lit(b, ",\"counters\":[");
	for (int i = 0; i < AUDIT_COUNTERS; i++) {
		if (i)
			buf_lit(b, ",");
		buf_lit(b, "{\"name\":");
		buf_json_str(b, r->rows[i].name, SIZE_MAX);
		put_member(b, "kernel", buf_u64, r->rows[i].kernel);
		put_member(b, "observed", buf_u64, r->rows[i].observed);
		put_member(b, "difference", put_signed, r->rows[i].difference);
		put_member(b, "rule", put_text, r->rows[i].rule);
		buf_lit(b, "}");
	}
	buf_lit(b, "],\"balanced\":");
	put_bool(b, r->balanced);
	buf_lit(b, "}\n");
}
