// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/records/audit_record.h"

#include "common/json.h"

void record_audit(struct buf *b, const struct audit_report *r)
{
	json_number(b, "netns", r->netns);
	json_number(b, "interval_ns", r->interval_ns);
	json_array(b, "counters");
	for (int i = 0; i < AUDIT_COUNTERS; i++) {
		json_object(b, NULL);
		json_string(b, "name", r->rows[i].name);
		json_number(b, "kernel", r->rows[i].kernel);
		json_number(b, "observed", r->rows[i].observed);
		json_signed(b, "difference", r->rows[i].difference);
		json_string(b, "rule", r->rows[i].rule);
		buf_lit(b, "}");
	}
	buf_lit(b, "]");
	json_bool(b, "balanced", r->balanced);
	buf_lit(b, "}\n");
}
