// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/cause/handshake_evidence.h"
#include "daemon/kernel/unreported.h"

bool evidence_shows(const struct evidence *e, enum unreported what)
{
	return !(e->unreported & what);
}

bool evidence_whole(const struct evidence *e)
{
	return e->complete && !e->gap && !(e->handshake->flags & HANDSHAKE_PARTIAL);
}

bool evidence_shows_loss(const struct evidence *e)
{
	return evidence_whole(e) && evidence_shows(e, UNREPORTED_DROP) && !e->drops_missing;
}

bool evidence_refused_unseen(const struct evidence *e)
{
	return e->unreported & (UNREPORTED_QUEUES | UNREPORTED_LISTENERS | UNREPORTED_SYN_RETRANSMIT) && !e->none_refused &&
	       (e->remote_is_here || e->server_began_ns != NS_UNKNOWN);
}

bool evidence_answered_at_once(const struct evidence *e)
{
	const struct event_handshake *h = e->handshake;
	bool active = h->role == ROLE_ACTIVE;
	uint64_t done_ns = active ? h->end_ns : e->client_done_ns;
	uint64_t began_ns = active ? e->server_began_ns : handshake_start_ns(h);
	unsigned int known = e->synacks.count < EVIDENCE_TIMES ? e->synacks.count : EVIDENCE_TIMES;
	uint64_t sent_ns = 0;

	for (unsigned int i = 1; i < known; i++)
		if (began_ns + e->synacks.after_ns[i] <= done_ns)
			sent_ns = began_ns + e->synacks.after_ns[i];
	return sent_ns && done_ns - sent_ns < 50000000;
}

uint64_t evidence_last_syn_ns(const struct evidence *e)
{
	unsigned int n = e->syns.count;

	return n > 1 && n <= EVIDENCE_TIMES ? e->syns.after_ns[n - 1] : 0;
}

bool evidence_by_timer(const struct evidence *e)
{
	const struct event_handshake *h = e->handshake;

	return h->retransmits && (!evidence_last_syn_ns(e) || h->latency_ns == NS_UNKNOWN ||
				  h->latency_ns - evidence_last_syn_ns(e) > 900000000);
}
