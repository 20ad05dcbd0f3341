// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/cause/diagnose.h"

#include <stdio.h>

#include "bpf/outcome.h"
#include "common/addr.h"
#include "common/duration.h"
#include "common/names.h"
#include "daemon/cause/local_drop.h"
#include "daemon/cause/rule.h"
#include "daemon/cause/unanswered.h"
#include "daemon/kernel/unreported.h"

bool diagnose_wanted(const struct event_handshake *e, uint64_t slow_ns)
{
	return e->outcome != OUTCOME_ESTABLISHED || e->retransmits ||
	       (slow_ns && e->latency_ns != NS_UNKNOWN && e->latency_ns >= slow_ns);
}

/* ---- rules that hold for both sides: true if one applies ---- */

/*
 * A segment may go out again only because the answer takes longer than its timer. Two legs of
 * about the same length look like one slow round trip.
 */
static bool one_slow_trip(uint64_t there_ns, uint64_t back_ns)
{
	const uint64_t slop_ns = 50000000;

	return there_ns <= 3 * back_ns + slop_ns && back_ns <= 3 * there_ns + slop_ns;
}

/* ---- the client's side ---- */

#define CLOSED_WORDS 80

/* A RST, if it is known that one came. */
static const char *refused_by(const struct evidence *e)
{
	return e->handshake->flags & HANDSHAKE_RESET || evidence_shows(e, UNREPORTED_RESET_RECEIVED) ?
		       "RST in answer to the SYN" :
		       "refused, by a RST or an ICMP message: which was not seen";
}

/* How its accept queue was, as it was closed. */
static void queue_then(const struct evidence *e, char text[CLOSED_WORDS])
{
	snprintf(text, CLOSED_WORDS, "with %u connection%s in its accept queue of %u", e->closed.len,
		 e->closed.len == 1 ? "" : "s", e->closed.max);
}

/* A kernel here sent the RST for want of a listener, and there was one as the first SYN left. */
static bool closed_meanwhile(const struct evidence *e, struct cause *cause)
{
	const struct event_handshake *h = e->handshake;
	char when[SYNS_WORDS], after[16], queue[CLOSED_WORDS];

	if (!e->closed.at_ns || !(h->flags & HANDSHAKE_RESET_HERE) || h->flags & HANDSHAKE_TRANSLATED)
		return false;
	queue_then(e, queue);
	return say(cause, CAUSE_LISTENER_CLOSED, e->complete,
		   "SYN sent %s: the listener on port %u there was closed %s after the first one, %s, and the last one got "
		   "a RST", syns_sent(e, when), h->remote_port,
		   duration_format(e->closed.at_ns - handshake_start_ns(h), after, sizeof(after)), queue);
}

static bool refused(const struct evidence *e, struct cause *cause)
{
	const struct event_handshake *h = e->handshake;

	if (h->outcome != OUTCOME_REFUSED)
		return false;
	if (closed_meanwhile(e, cause))
		return true;
	if (h->flags & HANDSHAKE_RESET_HERE)
		return say(cause, CAUSE_PORT_CLOSED, !e->closed_missing,
			   "RST in answer to the SYN: nobody listens on port %u there",
			   h->remote_port);
	if (!(h->flags & (HANDSHAKE_RESET | HANDSHAKE_PARTIAL)) && evidence_shows(e, UNREPORTED_RESET_RECEIVED))
		return say(cause, CAUSE_ICMP_UNREACHABLE, e->complete,
			   "an ICMP message said port unreachable; no RST came");
	/* Its kernel's RSTs are noted without the ring: only a run that was skipped can have missed it. */
	if (e->remote_is_here && evidence_shows(e, UNREPORTED_CLOSED_PORT) && !(h->flags & HANDSHAKE_PARTIAL))
		return say(cause, CAUSE_FILTERED, false,
			   "%s, but the server's kernel %s: a firewall did, or a host that NAT led to", refused_by(e),
			   e->complete ? "sent no RST" : "was not seen to send a RST");
	return say(cause, CAUSE_PORT_CLOSED, false,
		   "%s: nobody listens on port %u there, or a firewall rejects it", refused_by(e),
		   h->remote_port);
}

static bool unreachable(const struct evidence *e, struct cause *cause)
{
	const struct event_handshake *h = e->handshake;
	const char *name = errno_name(h->error);

	if (h->outcome != OUTCOME_UNREACHABLE)
		return false;
	if (h->flags & HANDSHAKE_NO_NEIGHBOUR)
		return say(cause, CAUSE_NEIGHBOUR_FAILED, true,
			   "the next hop did not answer ARP or neighbour discovery");
	if (h->error == ERR_EHOSTUNREACH && !evidence_shows(e, UNREPORTED_NEIGHBOUR))
		return say(cause, CAUSE_ICMP_UNREACHABLE, false,
			   "EHOSTUNREACH ended it: a router's ICMP message, or a next hop that did not "
			   "answer; which was not seen");
	/* A next hop that fails gives the same error, and its failure may have been missed. */
	return say(cause, CAUSE_ICMP_UNREACHABLE, !evidence_by_timer(e) && h->error != ERR_EHOSTUNREACH,
		   "an ICMP error ended it (%s); no RST came", name ? name : "no name");
}

/* A port that it was bound to may be taken for this destination. */
static bool without_port(const struct evidence *e, struct cause *cause)
{
	const struct event_handshake *h = e->handshake;
	bool proven = !(h->flags & HANDSHAKE_PARTIAL);

	if (h->outcome != OUTCOME_NO_PORT)
		return false;
	if (h->local_port) /* IPv6 of 7.2: a socket with the same ends as before shows no difference, whatever failed */
		return say(cause, CAUSE_PORTS_EXHAUSTED, proven && addr_is_ipv4(h->remote_addr),
			   "the local port %u, which the socket was bound to, was in use for this destination; no "
			   "SYN left", h->local_port);
	return say(cause, CAUSE_PORTS_EXHAUSTED, proven,
		   "no local port was free for this destination; no SYN left");
}

/* How far it came shows by the programs that did not run, unless a run was skipped. */
static bool denied(const struct evidence *e, const char *name, struct cause *cause)
{
	const struct event_handshake *h = e->handshake;
	bool seen = e->complete && evidence_shows(e, UNREPORTED_CONNECT);

	switch (h->refused_by) {
	case REFUSED_BY_SECURITY:
		return say(cause, CAUSE_DENIED, true, "connect() failed at once with %s, and no SYN left: a security module does "
			   "not allow it", name);
	case REFUSED_BY_CGROUP:
		return say(cause, CAUSE_DENIED, seen, "connect() failed at once with %s, and no SYN left: a BPF program of its "
			   "cgroup does not allow it", name);
	case REFUSED_BY_ROUTING:
		return say(cause, CAUSE_DENIED, seen, "connect() failed at once with %s, and no SYN left: %s does not allow it",
			   name, h->error == ERR_EACCES ? "a route or a rule (prohibit)" : "an IPsec policy");
	default:
		return say(cause, CAUSE_DENIED, seen, "connect() failed at once with %s, and no SYN left: %s, a security module or "
			   "a BPF program of its cgroup does not allow it", name,
			   h->error == ERR_EACCES ? "a route or a rule (prohibit)" : "an IPsec policy");
	}
}

/* Its socket never left CLOSE. Where only the call is seen, a security module or a program may have chosen the error. */
static bool failed_at_once(const struct evidence *e, struct cause *cause)
{
	const struct event_handshake *h = e->handshake;
	const char *name = errno_name(h->error);
	bool by_routing = h->refused_by == REFUSED_BY_ROUTING && e->complete && evidence_shows(e, UNREPORTED_CONNECT);

	if (!handshake_failed_at_once(h))
		return false;
	name = name ? name : "an error";
	if (h->outcome == OUTCOME_DENIED || h->refused_by == REFUSED_BY_SECURITY || h->refused_by == REFUSED_BY_CGROUP)
		return denied(e, name, cause);
	if (h->error == ERR_EADDRNOTAVAIL || h->error == ERR_EADDRINUSE)
		return say(cause, CAUSE_SEND_FAILED, by_routing,
			   "no SYN left: connect() failed at once with %s, for want of a local address for it", name);
	if (h->refused_by == REFUSED_BY_SOCKET)
		return say(cause, CAUSE_SEND_FAILED, false,
			   "no SYN left: connect() failed at once with %s, for its socket takes IPv6 only (IPV6_V6ONLY)", name);
	return say(cause, CAUSE_NO_ROUTE, by_routing,
		   "connect() failed at once with %s, and no SYN left: this host has no route to that address, or it is "
		   "multicast or broadcast", name);
}

/* connect(), or the send() that was to send the SYN, failed in the kernel. */
static bool unsent(const struct evidence *e, struct cause *cause)
{
	const struct event_handshake *h = e->handshake;
	const char *why = "there is no route from the local port that was chosen";

	if (!(h->flags & HANDSHAKE_UNSENT) || h->outcome == OUTCOME_NO_PORT)
		return false;
	if (h->error == ERR_EHOSTUNREACH)
		why = "there was no route any more";
	else if (h->error == ERR_ENOBUFS)
		why = "there was no memory";
	else if (h->error == ERR_EKEYREJECTED)
		why = "the keys for TCP-AO or TCP-MD5 do not allow it";
	else if (h->error == ERR_ECONNREFUSED)
		why = "this host does not let it out, a security module for one";
	return say(cause, CAUSE_SEND_FAILED, !(h->flags & HANDSHAKE_PARTIAL), "no SYN left: %s", why);
}

static bool reset_by_peer(const struct evidence *e, struct cause *cause)
{
	return e->handshake->flags & HANDSHAKE_RESET && e->handshake->outcome != OUTCOME_ESTABLISHED &&
	       say(cause, CAUSE_PEER_RESET, true, "the peer sent a RST before it was complete");
}

static bool slow_trip(uint64_t took_ns, struct cause *cause)
{
	char took[16];

	return say(cause, CAUSE_SLOW_PATH, false,
		   "sent again for want of an answer, but nothing was lost: the round trip took %s",
		   duration_format(took_ns, took, sizeof(took)));
}

/* Established at last, but a SYN went out more than once. */
static bool syn_again(const struct evidence *e, struct cause *cause)
{
	const struct event_handshake *h = e->handshake;
	uint64_t start_ns = handshake_start_ns(h);
	uint64_t last_ns = evidence_last_syn_ns(e), there_ns, back_ns;
	bool began_known = start_ns != NS_UNKNOWN && last_ns;
	bool answered_early = began_known && e->server_began_ns < start_ns + last_ns;
	char when[SYNS_WORDS];

	if (h->outcome != OUTCOME_ESTABLISHED || !h->retransmits)
		return false;
	if ((e->syn.proven || !answered_early) && by_refusal(&e->syn, evidence_whole(e), "SYN", "", cause))
		return true;
	syns_sent(e, when);
	if (h->flags & HANDSHAKE_STRAY) /* who sent that segment is not seen: a middlebox may, too */
		return say(cause, CAUSE_PORT_REUSED, false,
			   "SYN sent %s: a segment came that answers none of them and got a RST, as of an older connection "
			   "between the same ports", when);
	if (evidence_refused_unseen(e) && !answered_early)
		return say(cause, CAUSE_NO_ANSWER, false,
			   "SYN sent %s, and answered at last: the others or their answers were lost, or a "
			   "queue of the server dropped them, which this host does not show", when);
	if (e->server_began_ns == NS_UNKNOWN || !began_known || e->gap)
		return say(cause, CAUSE_SEGMENT_LOST, false,
			   "SYN sent %s: it or its answer was lost on the way%s", when,
			   e->none_refused ? "" : ", or the server dropped it");
	there_ns = e->server_began_ns - start_ns;
	back_ns = h->end_ns - e->server_began_ns;
	if (h->rtt_ns == NS_UNKNOWN && one_slow_trip(there_ns, back_ns))
		return slow_trip(h->latency_ns, cause);
	if (answered_early)
		return say(cause, CAUSE_SYNACK_LOST,
			   evidence_shows_loss(e) && beyond_trip(back_ns, e->reach_ns) &&
				   (beyond_trip(back_ns, e->trip_ns) || beyond_trip(back_ns, h->rtt_ns) ||
				    evidence_answered_at_once(e)),
			   "SYN sent %s: the server answered before the last one, but no SYN-ACK came",
			   when);
	if (!evidence_shows(e, UNREPORTED_RESET_SENT)) /* with which the client would have answered an older one */
		return say(cause, CAUSE_SEGMENT_LOST, false,
			   "SYN sent %s: it or its answer was lost, or an older connection between the same ports "
			   "answered, which this host does not show", when);
	return say(cause, CAUSE_SYN_LOST,
		   evidence_shows_loss(e) && e->server_done && e->none_refused &&
			   beyond_trip(there_ns, back_ns) && beyond_trip(there_ns, e->reach_ns),
		   "SYN sent %s: %s", when,
		   e->none_refused ? "only the last one got to the server, which refused none" :
				     "the server answered only the last one");
}

/* Established slowly, with a single SYN. */
static bool slow_answer(const struct evidence *e, struct cause *cause)
{
	const struct event_handshake *h = e->handshake;
	uint64_t there_ns, back_ns;
	bool seen = e->server_done && e->server_began_ns != NS_UNKNOWN;
	char took[16];

	if (h->outcome != OUTCOME_ESTABLISHED || h->retransmits || h->latency_ns == NS_UNKNOWN)
		return false;
	there_ns = seen ? e->server_began_ns - handshake_start_ns(h) : 0;
	back_ns = seen ? h->end_ns - e->server_began_ns : 0;
	duration_format(h->latency_ns, took, sizeof(took));
	if (e->synacks.count > 1 && seen && !one_slow_trip(there_ns, back_ns))
		return say(cause, CAUSE_SYNACK_LOST, evidence_shows_loss(e) && evidence_answered_at_once(e),
			   "answered after %s: the server sent its SYN-ACK again, the first one did not come",
			   took);
	return say(cause, CAUSE_SLOW_PATH, evidence_whole(e) && seen && e->synacks.count <= 1,
		   "nothing was sent again: the round trip itself took %s", took);
}

/* ---- the server's side ---- */

/*
 * A request goes with its listener: its final ACK gets a RST. Only one whose SYN-ACK would have gone out again is
 * concerned, for what ran out ended by itself; with tcp_migrate_req another listener would have sent it.
 */
static bool went_with_listener(const struct evidence *e, struct cause *cause)
{
	char often[32], queue[CLOSED_WORDS];

	if (!e->closed.at_ns || !e->inferred || e->exhausted)
		return false;
	queue_then(e, queue);
	return say(cause, CAUSE_LISTENER_CLOSED, e->complete && !e->gap && evidence_shows(e, UNREPORTED_REQUEST_RESET),
		   "SYN-ACK sent %s; then the listener was closed, %s, and the request went with it",
		   times_word(e->handshake->retransmits + 1U, often), queue);
}

static bool client_gave_up(const struct evidence *e, struct cause *cause)
{
	if (e->handshake->outcome != OUTCOME_RESET)
		return false;
	if (e->inferred && !evidence_shows(e, UNREPORTED_RESET_SENT) && !evidence_shows(e, UNREPORTED_REFUSED_ACK))
		return say(cause, CAUSE_UNKNOWN, false,
			   "the request went away before its SYN-ACK was sent for the last time: its client gave "
			   "up, or a full accept queue answered it with a RST, which was not seen");
	if (e->inferred)
		return say(cause, CAUSE_CLIENT_RESET, false,
			   "the request went away before its SYN-ACK was sent for the last time: its client "
			   "gave up, probably");
	return say(cause, CAUSE_CLIENT_RESET, true,
		   "the client sent a RST instead of its final ACK");
}

/* Where refused ACKs are not reported one by one, one may be what was not taken. */
static bool held_back(const struct evidence *e, struct cause *cause)
{
	return e->deferred && e->acked &&
	       say(cause, CAUSE_DEFERRED_ACCEPT, evidence_shows(e, UNREPORTED_REFUSED_ACK) && evidence_whole(e),
		   "TCP_DEFER_ACCEPT: the final ACK had come, and the listener waited for data");
}

#define SYNACK_TIMER_NS 900000000 /* it does not go out again before */

/* Its SYN-ACK went out more than once, or for the last time. */
static bool synack_again(const struct evidence *e, struct cause *cause)
{
	const struct event_handshake *h = e->handshake;
	bool client_known = e->client_done_ns != NS_UNKNOWN;
	bool times_known = client_known && h->latency_ns != NS_UNKNOWN;
	bool done = h->outcome == OUTCOME_ESTABLISHED;
	bool seen = !e->gap && e->synacks.count > 1;
	uint64_t start_ns = handshake_start_ns(h);
	uint64_t there_ns = times_known ? e->client_done_ns - start_ns : 0;
	uint64_t back_ns = times_known ? h->end_ns - e->client_done_ns : 0;
	char often[32];

	if (!h->retransmits)
		return false;
	times_word(h->retransmits + 1U, often);
	if (times_known && done && h->rtt_ns == NS_UNKNOWN && one_slow_trip(there_ns, back_ns))
		return slow_trip(h->latency_ns, cause);
	if (e->acked && !e->deferred) /* tcp_check_req(): no child could be made */
		return evidence_shows(e, UNREPORTED_REFUSED_ACK) && evidence_whole(e) ?
			       say(cause, CAUSE_UNKNOWN, false,
				   "SYN-ACK sent %s though the final ACK had come: the listener did not take it, "
				   "though its accept queue was not full", often) :
			       say(cause, CAUSE_ACCEPT_QUEUE_FULL, false,
				   "SYN-ACK sent %s though the final ACK had come: the listener did not take it, "
				   "probably since its accept queue was full", often);
	if (times_known && there_ns < (seen ? e->synacks.after_ns[1] : SYNACK_TIMER_NS))
		return say(cause, CAUSE_ACK_LOST,
			   seen && evidence_shows_loss(e) && !e->acked &&
				   (beyond_trip(back_ns, e->trip_ns) || beyond_trip(back_ns, h->rtt_ns)),
			   "SYN-ACK sent %s though the client had it: its final ACK was lost on the way",
			   often);
	if (client_known || e->client_waited)
		return say(cause, CAUSE_SYNACK_LOST,
			   evidence_shows_loss(e) &&
				   (client_known ? times_known && evidence_answered_at_once(e) :
						   beyond_trip(h->latency_ns, e->reach_ns)),
			   "SYN-ACK sent %s: the client, which waited for it, did not get it", often);
	if (h->outcome == OUTCOME_TIMEOUT)
		return say(cause, CAUSE_NO_ANSWER,
			   e->exhausted && !e->remote_is_here && evidence_shows(e, UNREPORTED_REQUEST_RESET),
			   "SYN-ACK unanswered, sent %s: its client is filtered, down or forged", often);
	return say(cause, CAUSE_SEGMENT_LOST, false,
		   "SYN-ACK sent %s: it or the final ACK was lost on the way", often);
}

/* Taken slowly, though its SYN-ACK went out once. */
static bool slow_ack(const struct evidence *e, struct cause *cause)
{
	const struct event_handshake *h = e->handshake;
	uint64_t start_ns = handshake_start_ns(h), there_ns, back_ns;
	char took[16];

	if (h->outcome != OUTCOME_ESTABLISHED || h->retransmits || h->latency_ns == NS_UNKNOWN)
		return false;
	duration_format(h->latency_ns, took, sizeof(took));
	there_ns = e->client_done_ns - start_ns;
	back_ns = h->end_ns - e->client_done_ns;
	if (e->client_done_ns != NS_UNKNOWN && e->client_done_ns >= start_ns && !e->deferred) {
		if (one_slow_trip(there_ns, back_ns))
			return say(cause, CAUSE_SLOW_PATH, evidence_whole(e),
				   "nothing was sent again: the round trip itself took %s", took);
		if (!evidence_shows(e, UNREPORTED_REFUSED_ACK))
			return say(cause, CAUSE_UNKNOWN, false,
				   "the client had the SYN-ACK long before: its final ACK was lost, or a full "
				   "accept queue dropped it, and data completed it after %s", took);
		return say(cause, CAUSE_ACK_LOST, false,
			   "the client had the SYN-ACK long before: its final ACK was lost, and data completed it "
			   "after %s", took);
	}
	if (e->deferred)
		return say(cause, CAUSE_DEFERRED_ACCEPT, false,
			   "TCP_DEFER_ACCEPT: the listener waited %s for data, or the path is slow",
			   took);
	return say(cause, CAUSE_SLOW_PATH, false,
		   "nothing was sent again: the round trip itself took %s", took);
}

static bool explained(const struct evidence *e, struct cause *cause)
{
	if (e->handshake->role == ROLE_ACTIVE)
		return failed_at_once(e, cause) || without_port(e, cause) || unsent(e, cause) || refused(e, cause) ||
		       unreachable(e, cause) || local_drop(e, cause) || unanswered(e, cause) || reset_by_peer(e, cause) ||
		       syn_again(e, cause) || slow_answer(e, cause);
	return local_drop(e, cause) || by_refusal(&e->ack, true, "final ACK", "", cause) ||
	       went_with_listener(e, cause) || client_gave_up(e, cause) || held_back(e, cause) ||
	       synack_again(e, cause) || reset_by_peer(e, cause) || slow_ack(e, cause);
}

void diagnose(const struct evidence *e, struct cause *cause)
{
	const struct event_handshake *h = e->handshake;

	*cause = (struct cause){ .code = CAUSE_NONE };
	if (!diagnose_wanted(h, e->slow_ns) || explained(e, cause))
		return;
	say(cause, CAUSE_UNKNOWN, false, "it ended with errno %u, which no rule explains", h->error);
}
