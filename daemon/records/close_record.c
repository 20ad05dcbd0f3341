// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/records/close_record.h"

#include "common/names.h"
#include "daemon/records/parts.h"

static void put_or_null(struct buf *b, const char *word)
{
	if (!word) {
		buf_lit(b, "null");
		return;
	}
	buf_lit(b, "\"");
	buf_str(b, word);
	buf_lit(b, "\"");
}

static void put_states(struct buf *b, const struct event_close *e)
{
	for (int state = 0; state < CLOSE_STATES; state++) {
		buf_lit(b, ",\"");
		buf_str(b, close_state_names[state]);
		buf_lit(b, "_ns\":");
		put_ns(b, e->spent_ns[state]);
	}
}

void record_close(struct buf *b, const struct event_close *e, uint64_t conn, const struct listener_owner *owner)
{
	bool known = e->role != ROLE_UNKNOWN;

	if (known)
		put_member(b, "conn", put_hash, conn);
	else
		put_member(b, "conn", put_text, NULL);
	put_member(b, "role", put_or_null, known ? role_names[e->role] : NULL);
	if (e->first != FIRST_NOBODY)
		put_member(b, "first", put_or_null, close_first_names[e->first]);
	put_word(b, "how", close_how_names[e->how]);
	put_member(b, "call", put_or_null, close_call_names[e->call]);
	put_ends_of(b, e);
	put_member(b, "duration_ns", put_ns, e->duration_ns);
	put_states(b, e);
	if (e->rest == REST_UNKNOWN)
		put_member(b, "time_wait", put_text, NULL);
	else
		put_member(b, "time_wait", put_bool, e->rest == REST_TIME_WAIT);
	buf_lit(b, ",\"process\":");
	if (e->pid)
		put_process(b, e->pid, e->uid, e->comm);
	else
		put_owner(b, owner);
	buf_lit(b, "}\n");
}
