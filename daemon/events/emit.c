// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/events/emit.h"

#include "common/clock.h"
#include "common/log.h"

struct buf *emit_begin(struct emit *emit, enum record_type type, uint64_t mono_ns)
{
	emit->rate = NULL;
	record_begin(&emit->record, type, mono_ns, emit->offset_ns);
	return &emit->record.body;
}

bool emit_wants(const struct emit *emit, enum record_type type)
{
	return emit->types & (1U << type);
}

void emit_count_for(struct emit *emit, struct rate *rate)
{
	emit->rate = rate;
}

static bool take(struct rate *rate, uint64_t now_ns)
{
	if (!rate->most)
		return true;
	if (now_ns - rate->since_ns >= NSEC_PER_SEC) {
		rate->since_ns = now_ns;
		rate->used = 0;
	}
	return rate->used++ < rate->most;
}

static void put(struct emit *emit, const struct filter_subject *subject, bool wanted)
{
	const struct record *r = &emit->record;

	if (!wanted) {
		tally_left(&emit->tallies, r->type);
	} else if (emit->rate && !take(emit->rate, clock_mono_ns())) {
		tally_limited(&emit->tallies, r->type);
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
