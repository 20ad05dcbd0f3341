// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/events/emit.h"

#include "common/log.h"

struct buf *emit_begin(struct emit *emit, enum record_type type, uint64_t mono_ns)
{
	record_begin(&emit->record, type, mono_ns, emit->offset_ns);
	return &emit->record.body;
}

bool emit_wants(const struct emit *emit, enum record_type type)
{
	return emit->types & (1U << type);
}

static void put(struct emit *emit, const struct filter_subject *subject, bool wanted)
{
	const struct record *r = &emit->record;

	if (!wanted) {
		tally_left(&emit->tallies, r->type);
	} else if (r->body.failed) {
		tally_failed(&emit->tallies, r->type);
		log_error("out of memory: a %s record was not written", record_type_names[r->type]);
	} else {
		sinks_put(emit->sinks, r, subject);
	}
}

void emit_put(struct emit *emit, const struct filter_subject *subject)
{
	tally_record(&emit->tallies, emit->record.type, false);
	put(emit, subject, emit_wants(emit, emit->record.type) && filter_match(emit->filter, subject));
}

void emit_put_passed(struct emit *emit, const struct filter_subject *subject)
{
	tally_record(&emit->tallies, emit->record.type, true);
	put(emit, subject, true);
}
