// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/events/losses.h"

#include <string.h>

#include "bpf/counters.h"
#include "common/clock.h"
#include "daemon/cause/track.h"
#include "daemon/kernel/unreported.h"

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
	[MISSED_ACCEPT] = RECORD_ACCEPT,       [MISSED_CONNECT] = RECORD_HANDSHAKE,
	[MISSED_EVIDENCE] = LOSS_EVIDENCE,     [MISSED_CLOSE] = RECORD_CLOSE,
	[MISSED_CONNECT_WAY] = LOSS_EVIDENCE,
};

#define ALL_EVIDENCE UINT32_MAX

/*
 * What is not seen for want of one skipped run: for a while no cause may rest on that it did not happen. How long
 * accept() took, and how a connection ended, is no evidence.
 */
static const uint32_t unseen_by[MISSED_KINDS] = {
	[MISSED_TRANSITION] = ALL_EVIDENCE,
	[MISSED_RETRANSMIT] = ALL_EVIDENCE,
	[MISSED_OVERFLOW] = ALL_EVIDENCE,
	[MISSED_CONNECT] = UNREPORTED_CONNECT, /* a call whose end was missed is taken for the next one */
	[MISSED_CONNECT_WAY] = UNREPORTED_CONNECT,
	[MISSED_RESET] = UNREPORTED_RESET_SENT | UNREPORTED_RESET_RECEIVED | UNREPORTED_CLOSED_PORT |
			 UNREPORTED_NO_SOCKET | UNREPORTED_REQUEST_RESET,
	[MISSED_EVIDENCE] = UNREPORTED_REFUSED_ACK | UNREPORTED_REFUSED_COOKIE | UNREPORTED_REQUEST_RESET |
			    UNREPORTED_CLOSED_PORT | UNREPORTED_NO_SOCKET | UNREPORTED_NEIGHBOUR | UNREPORTED_DROP,
};

/* Take note of what was skipped. Is it all the same to any cause what it was? */
static bool note_missed(struct losses *l, const uint64_t missed[MISSED_KINDS], uint64_t now_ns)
{
	bool all = false;

	for (int kind = 0; kind < MISSED_KINDS; kind++) {
		if (missed[kind] == l->checked_missed[kind])
			continue;
		l->checked_missed[kind] = missed[kind];
		l->missed_ns[kind] = now_ns;
		all |= unseen_by[kind] == ALL_EVIDENCE;
	}
	return all;
}

uint32_t losses_unreported(const struct losses *l, uint64_t now_ns)
{
	uint32_t unreported = source_unreported(l->source);

	for (int kind = 0; kind < MISSED_KINDS; kind++)
		if (unseen_by[kind] != ALL_EVIDENCE && l->missed_ns[kind] && now_ns < l->missed_ns[kind] + FORGET_NS)
			unreported |= unseen_by[kind];
	if (l->drops_ns && now_ns < l->drops_ns + FORGET_NS)
		unreported |= UNREPORTED_DROP;
	return unreported;
}

static void check(struct losses *l, const struct counters *now, const uint64_t missed[MISSED_KINDS])
{
	const struct counters *before = &l->reported;
	uint64_t now_ns = clock_mono_ns();

	if (now->limited[EVENT_DROP] != l->checked_drops)
		l->drops_ns = now_ns;
	l->checked_drops = now->limited[EVENT_DROP];
	if (note_missed(l, missed, now_ns) ||
	    memcmp(now->ring_full, before->ring_full, sizeof(before->ring_full)) ||
	    now->limited[EVENT_RETRANSMIT] != before->limited[EVENT_RETRANSMIT] ||
	    now->limited[EVENT_HANDSHAKE] != before->limited[EVENT_HANDSHAKE] ||
	    now->limited[EVENT_LISTENER] != before->limited[EVENT_LISTENER] || now->unproving != before->unproving ||
	    now->request_map_full != before->request_map_full)
		correlate_incomplete(l->correlate, now_ns);
	if (now->limited[EVENT_OVERFLOW] != before->limited[EVENT_OVERFLOW])
		correlate_limited(l->correlate, now_ns);
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
	uint64_t own_limited = l->emit->tallies.of[RECORD_HANDSHAKE].limited + now->connects_limited;
	const struct counters *before = &l->reported;

	source_missed(l->source, missed);
	for (int kind = 0; kind < EVENT_KINDS; kind++) {
		enum record_type what = record_of_kind[kind];

		report(l, what, LOSS_RING_FULL, now->ring_full[kind] - before->ring_full[kind]);
		if (emit_wants(l->emit, what))
			report(l, what, LOSS_RATE_LIMIT, now->limited[kind] - before->limited[kind]);
	}
	report(l, RECORD_HANDSHAKE, LOSS_RATE_LIMIT, own_limited - l->reported_limited);
	l->reported_limited = own_limited;
	report(l, RECORD_LISTENER, LOSS_MAP_FULL, now->listener_map_full - before->listener_map_full);
	report(l, LOSS_BEGINNING, LOSS_MAP_FULL,
	       now->attempt_map_full - before->attempt_map_full + now->lifetime_map_full - before->lifetime_map_full);
	report(l, RECORD_HANDSHAKE, LOSS_MAP_FULL, now->connect_map_full - before->connect_map_full);
	report(l, RECORD_RETRANSMIT, LOSS_MAP_FULL,
	       now->request_map_full - before->request_map_full + untracked - l->reported_untracked);
	for (int kind = 0; kind < MISSED_KINDS; kind++)
		report(l, what_is_missed[kind], LOSS_NESTED, missed[kind] - l->reported_missed[kind]);
	if (now->ring_full[EVENT_LISTENER] != before->ring_full[EVENT_LISTENER] ||
	    now->limited[EVENT_LISTENER] != before->limited[EVENT_LISTENER])
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
