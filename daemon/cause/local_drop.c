// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/cause/local_drop.h"

#include "common/drop_reason.h"
#include "common/duration.h"

#define FIRST_TIMER_NS 900000000 /* nothing goes out again before */

/* Was it dropped before any segment went out again? Then all of the waiting began with it. */
static bool began_it(const struct evidence *e, const struct drop_evidence *d)
{
	uint64_t start_ns = handshake_start_ns(e->handshake);

	return start_ns != NS_UNKNOWN && d->first_ns < start_ns + FIRST_TIMER_NS;
}

/* What this side of the handshake sent: was each of them dropped that did not help? */
static bool explains_sent(const struct evidence *e, const struct drop_evidence *d)
{
	const struct event_handshake *h = e->handshake;
	bool done = h->outcome == OUTCOME_ESTABLISHED;

	/* A SYN-ACK that could not be sent is not among those that were retransmitted. */
	if (h->role == ROLE_PASSIVE && d->direction == DROP_OUT)
		return done && h->retransmits <= 1 && !d->mixed;
	return d->count + done > h->retransmits;
}

/* What it waited for: with any one of them it would have been complete. */
static bool explains_awaited(const struct evidence *e, const struct drop_evidence *d)
{
	const struct event_handshake *h = e->handshake;

	if (h->outcome == OUTCOME_ESTABLISHED)
		return began_it(e, d);
	if (d->direction == DROP_IN && !d->mixed)
		return true; /* it was there */
	if (h->role == ROLE_PASSIVE)
		return d->count > h->retransmits;
	return began_it(e, d) && !e->synacks.count && evidence_whole(e);
}

static bool explains_all(const struct evidence *e, enum drop_segment segment)
{
	const struct drop_evidence *d = &e->dropped[segment];
	bool sent = segment == (e->handshake->role == ROLE_ACTIVE ? DROP_SYN : DROP_SYN_ACK);

	return d->count && (sent ? explains_sent(e, d) : explains_awaited(e, d));
}

static bool say_dropped(const struct evidence *e, enum drop_segment segment, bool proven, struct cause *cause)
{
	static const char *const names[DROP_SEGMENTS] = { "SYN", "SYN-ACK", "final ACK" };
	const struct event_handshake *h = e->handshake;
	const struct drop_evidence *d = &e->dropped[segment];
	const char *reason = drop_reason_name(d->reason);
	char often[32], after[16], gave_up[64] = "";

	if (h->outcome == OUTCOME_CANCELLED && h->latency_ns != NS_UNKNOWN)
		snprintf(gave_up, sizeof(gave_up), "; the application gave up after %s",
			 duration_format(h->latency_ns, after, sizeof(after)));
	return say(cause, CAUSE_LOCAL_DROP, proven, "%s dropped %s by this host itself, %s: %s%s%s", names[segment],
		   times_word(d->count, often), d->direction == DROP_OUT ? "on its way out" : "as it came in",
		   reason ? reason : "for a reason without a name", d->mixed ? " and others" : "", gave_up);
}

/* A handshake may have waited in vain for its answer, or was answered late. */
static bool is_about(const struct event_handshake *h)
{
	switch (h->outcome) {
	case OUTCOME_ESTABLISHED:
	case OUTCOME_TIMEOUT:
		return true;
	case OUTCOME_CANCELLED: /* before a SYN was to go out again, nobody knows what would have come */
		return h->retransmits;
	default:
		return false;
	}
}

/*
 * Without a drop that was seen: its SYN was counted as sent again, and tcp_retransmit_skb, which is called for what was
 * sent, did not show one. What keeps a SYN here is a firewall or a program of this host, or a queue of it.
 */
static bool never_sent(const struct evidence *e, struct cause *cause)
{
	const struct event_handshake *h = e->handshake;
	char often[32];

	if (h->role != ROLE_ACTIVE || h->outcome == OUTCOME_ESTABLISHED || !h->retransmits || e->syns.count ||
	    !evidence_shows(e, UNREPORTED_SYN_RETRANSMIT) || e->server_began_ns != NS_UNKNOWN || e->syn.count ||
	    !e->complete || h->flags & HANDSHAKE_PARTIAL)
		return false;
	return say(cause, CAUSE_LOCAL_DROP, false,
		   "the SYN was to be sent again %s, and none was seen to leave: this host did not let it out, by a firewall "
		   "or a program of its own", times_word(h->retransmits, often));
}

bool local_drop(const struct evidence *e, struct cause *cause)
{
	bool active = e->handshake->role == ROLE_ACTIVE;
	enum drop_segment first = active ? DROP_SYN : DROP_SYN_ACK, second = first + 1;
	unsigned int refused = active ? e->syn.count : e->ack.count;

	if (!is_about(e->handshake))
		return false;
	if (!e->dropped[first].count && !e->dropped[second].count)
		return never_sent(e, cause);
	if (explains_all(e, first))
		return say_dropped(e, first, true, cause);
	if (explains_all(e, second))
		return say_dropped(e, second, true, cause);
	if (refused) /* a queue refused others */
		return false;
	return say_dropped(e, e->dropped[first].count >= e->dropped[second].count ? first : second, false, cause);
}
