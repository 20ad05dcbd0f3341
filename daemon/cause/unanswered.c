// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/cause/unanswered.h"

#include <stdio.h>

#include "bpf/outcome.h"
#include "common/duration.h"
#include "daemon/cause/rule.h"

#define ENDING_WORDS 64

/* "; the application gave up after 5 s"; nothing where the kernel did: its SYNs say when. */
static const char *ending(const struct evidence *e, char text[ENDING_WORDS])
{
	const struct event_handshake *h = e->handshake;
	const char *who = h->error == ERR_ECONNABORTED	? "it was aborted (ss -K)" :
			  h->flags & HANDSHAKE_BY_CALL ? "the application gave up" :
							 "the attempt was given up";
	char after[16];

	*text = '\0';
	if (h->outcome == OUTCOME_CANCELLED && h->latency_ns == NS_UNKNOWN)
		snprintf(text, ENDING_WORDS, "; %s", who);
	else if (h->outcome == OUTCOME_CANCELLED)
		snprintf(text, ENDING_WORDS, "; %s after %s", who,
			 duration_format(h->latency_ns, after, sizeof(after)));
	return text;
}

/* An error that came in the middle of it; a connect() under way is only notified, and goes on. */
static bool icmp_came(const struct evidence *e, struct cause *cause)
{
	return e->handshake->outcome == OUTCOME_CANCELLED && e->handshake->flags & HANDSHAKE_ICMP &&
	       say(cause, CAUSE_ICMP_UNREACHABLE, false, "an ICMP error came, and the application closed it");
}

/*
 * Its timer ran out and no SYN went out again: tcp_retransmit_skb() found the first one still in a queue of this
 * host. There it waits for the next hop's address, unless an interface does not get rid of what it is to send.
 */
static bool next_hop_silent(const struct evidence *e, struct cause *cause)
{
	const struct event_handshake *h = e->handshake;
	bool failed = h->flags & HANDSHAKE_NO_NEIGHBOUR;
	bool stuck = h->flags & HANDSHAKE_OVERDUE && !h->retransmits;
	char how[ENDING_WORDS], when[SYNS_WORDS];

	ending(e, how);
	if (failed && stuck)
		return say(cause, CAUSE_NEIGHBOUR_FAILED, true,
			   "the next hop did not answer ARP or neighbour discovery, and no SYN left this host%s", how);
	if (stuck)
		return say(cause, CAUSE_NEIGHBOUR_FAILED, false,
			   "its SYN was still in a queue of this host as it was to be sent again: the next hop does not "
			   "answer ARP or neighbour discovery, probably%s", how);
	return failed && h->flags & HANDSHAKE_OVERDUE &&
	       say(cause, CAUSE_NEIGHBOUR_FAILED, false,
		   "SYN unanswered, sent %s%s; the next hop did not answer ARP or neighbour discovery then",
		   syns_sent(e, when), how);
}

/* One that is not proven may be another's, if the server answered. */
static bool queue_refused(const struct evidence *e, struct cause *cause)
{
	char how[ENDING_WORDS];

	return (e->syn.proven || e->server_began_ns == NS_UNKNOWN) &&
	       by_refusal(&e->syn, evidence_whole(e), "SYN", ending(e, how), cause);
}

static bool left_early(const struct evidence *e, struct cause *cause)
{
	const struct event_handshake *h = e->handshake;
	bool by_call = h->flags & HANDSHAKE_BY_CALL || h->error == ERR_ECONNABORTED;
	char how[ENDING_WORDS];

	return h->outcome == OUTCOME_CANCELLED && !(h->flags & HANDSHAKE_OVERDUE) &&
	       say(cause, CAUSE_APPLICATION_CANCELLED, by_call,
		   "SYN unanswered%s, before it was due to be sent again%s", ending(e, how),
		   e->race_lost ? ": another address had answered" : "");
}

static bool answer_lost(const struct evidence *e, struct cause *cause)
{
	const struct event_handshake *h = e->handshake;
	char how[ENDING_WORDS], when[SYNS_WORDS];

	return e->server_began_ns != NS_UNKNOWN &&
	       say(cause, CAUSE_SYNACK_LOST,
		   evidence_shows_loss(e) && beyond_trip(h->end_ns - e->server_began_ns, e->reach_ns),
		   "SYN sent %s: the server answered, but no SYN-ACK came%s", syns_sent(e, when), ending(e, how));
}

/* Happy eyeballs: several addresses are tried, and the first that answers is taken. */
static bool race_lost(const struct evidence *e, struct cause *cause)
{
	char how[ENDING_WORDS], when[SYNS_WORDS];

	return e->race_lost && e->handshake->outcome == OUTCOME_CANCELLED &&
	       say(cause, CAUSE_APPLICATION_CANCELLED, false,
		   "SYN unanswered %s%s, as another address had answered on port %u", syns_sent(e, when),
		   ending(e, how), e->handshake->remote_port);
}

/*
 * Never proven: what got lost on the way there and what was dropped on the way back look the same, here and
 * elsewhere.
 */
static bool nothing_came(const struct evidence *e, struct cause *cause)
{
	char how[ENDING_WORDS], when[SYNS_WORDS];

	return say(cause, CAUSE_NO_ANSWER, false,
		   "SYN unanswered %s%s; no RST, no ICMP: it or its answer was lost, or dropped by a firewall%s",
		   syns_sent(e, when), ending(e, how),
		   e->remote_is_here ? ", or a full queue dropped it" : ", or the server is down or its queues are full");
}

/*
 * In this order: the first that applies names the cause. What happened on this host on the SYN's way out comes first,
 * then what the server did with it, then its answer, and last what did not come.
 */
static bool (*const rules[])(const struct evidence *e, struct cause *cause) = {
	icmp_came, next_hop_silent, queue_refused, left_early, answer_lost, race_lost, nothing_came,
};

bool unanswered(const struct evidence *e, struct cause *cause)
{
	enum outcome outcome = e->handshake->outcome;

	if (outcome != OUTCOME_TIMEOUT && outcome != OUTCOME_CANCELLED)
		return false;
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		if (rules[i](e, cause))
			return true;
	return false;
}
