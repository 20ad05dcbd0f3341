// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/events/losses.h"

#include <string.h>

#include "bpf/counters.h"
#include "common/clock.h"

static void report(struct losses *l, int what, enum loss_why why, uint64_t count)
{
	if (!count)
		return;
	emit_begin(l->emit, RECORD_LOSS, clock_mono_ns());
	sinks_loss(l->emit->sinks, what, why, count, &l->emit->record);
}

/* What each kind of skipped run is in a feed. */
static const int what_is_missed[MISSED_KINDS] = {
	[MISSED_TRANSITION] = LOSS_TRANSITION, [MISSED_RETRANSMIT] = RECORD_RETRANSMIT,
	[MISSED_RESET] = RECORD_RESET,	       [MISSED_OVERFLOW] = RECORD_OVERFLOW,
	[MISSED_ACCEPT] = RECORD_ACCEPT,       [MISSED_EVIDENCE] = LOSS_EVIDENCE,
};

/* Does a cause rest on what was missed? How long accept() took is none. */
static bool unproves(const uint64_t missed[MISSED_KINDS], const uint64_t before[MISSED_KINDS])
{
	for (int kind = 0; kind < MISSED_KINDS; kind++)
		if (kind != MISSED_ACCEPT && missed[kind] != before[kind])
			return true;
	return false;
}

static void check(struct losses *l, const struct counters *now, const uint64_t missed[MISSED_KINDS])
{
	const struct counters *before = &l->reported;

	if (memcmp(now->ring_full, before->ring_full, sizeof(before->ring_full)) ||
	    now->limited[EVENT_RETRANSMIT] != before->limited[EVENT_RETRANSMIT] ||
	    now->limited[EVENT_HANDSHAKE] != before->limited[EVENT_HANDSHAKE] ||
	    now->request_map_full != before->request_map_full ||
	    unproves(missed, l->reported_missed))
		correlate_incomplete(l->correlate, clock_mono_ns());
}

void losses_check(struct losses *l, const struct counters *now)
{
	uint64_t missed[MISSED_KINDS];

	source_missed(l->source, missed);
	check(l, now, missed);
}

void losses_report(struct losses *l, const struct counters *now)
{
	uint64_t missed[MISSED_KINDS], untracked = correlate_lost(l->correlate);
	const struct counters *before = &l->reported;

	source_missed(l->source, missed);
	for (int kind = 0; kind < EVENT_KINDS; kind++) {
		enum record_type what = record_of_kind[kind];

		report(l, what, LOSS_RING_FULL, now->ring_full[kind] - before->ring_full[kind]);
		if (emit_wants(l->emit, what))
			report(l, what, LOSS_RATE_LIMIT, now->limited[kind] - before->limited[kind]);
	}
	report(l, RECORD_LISTENER, LOSS_MAP_FULL, now->listener_map_full - before->listener_map_full);
	report(l, LOSS_BEGINNING, LOSS_MAP_FULL, now->attempt_map_full - before->attempt_map_full);
	report(l, RECORD_RETRANSMIT, LOSS_MAP_FULL,
	       now->request_map_full - before->request_map_full + untracked - l->reported_untracked);
	for (int kind = 0; kind < MISSED_KINDS; kind++)
		report(l, what_is_missed[kind], LOSS_NESTED, missed[kind] - l->reported_missed[kind]);
	if (now->ring_full[EVENT_LISTENER] != before->ring_full[EVENT_LISTENER])
		l->looks->scan_wanted = true;
	check(l, now, missed);
	l->reported = *now;
	memcpy(l->reported_missed, missed, sizeof(missed));
	l->reported_untracked = untracked;
}

static void report_own(void *ctx, struct feed *feed)
{
	struct losses *l = ctx;

	emit_begin(l->emit, RECORD_LOSS, clock_mono_ns());
	feed_report_losses(feed, &l->emit->record);
}

void losses_report_own(struct losses *l)
{
	sinks_each(l->emit->sinks, report_own, l);
}
