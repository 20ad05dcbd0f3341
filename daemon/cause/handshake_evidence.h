/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* All that was seen of one handshake, on either side, and what follows from it at once. Pure. */
#ifndef TCPSHAKE_HANDSHAKE_EVIDENCE_H
#define TCPSHAKE_HANDSHAKE_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"
#include "daemon/host/open_files.h"
#include "daemon/kernel/unreported.h"

#define EVIDENCE_TIMES 8

/* Segments of one kind that were sent: times from the first one on, in ns. */
struct transmissions {
	unsigned int count; /* the first one included; may be more than there are times */
	uint64_t after_ns[EVIDENCE_TIMES]; /* after_ns[0] is 0 */
};

/* Refusals of this handshake by a queue of the server's, which lives on this host. */
struct refusal_evidence {
	unsigned int count;
	bool at_least; /* there may have been more */
	bool proven; /* all of them are this handshake's, and no other explanation is left */
	enum overflow_code code;
	bool queue_known;
	uint32_t len, max;
	uint32_t netns; /* of the listener */
	struct open_files open_files; /* of its owner, if that had none left; else `limit` is 0 */
};

/* Segments of one kind of this handshake that this host threw away itself. */
struct drop_evidence {
	unsigned int count; /* 0: nothing was seen */
	uint64_t first_ns;
	uint8_t reason; /* of common/drop_reason.h, of the first one */
	uint8_t direction; /* enum drop_direction, the same */
	bool mixed; /* others had another reason or direction */
};

/* Its listener was closed before it was complete. */
struct closed_evidence {
	uint64_t at_ns; /* 0: it was not seen to be */
	uint32_t len, max; /* of its accept queue then */
};

struct evidence {
	const struct event_handshake *handshake;
	uint64_t slow_ns; /* a latency from which on it counts as slow; 0: none does */
	struct transmissions syns, synacks; /* of what this host saw; count 0: nothing */
	struct refusal_evidence syn, ack;
	struct drop_evidence dropped[DROP_SEGMENTS];
	bool drops_missing; /* of these some may have been overwritten */
	struct closed_evidence closed;
	bool closed_missing; /* a listener may have been closed meanwhile, and is no longer known */
	uint64_t server_began_ns; /* when its first SYN-ACK left; NS_UNKNOWN: not seen on this host */
	uint64_t client_done_ns; /* when the client was ESTABLISHED; NS_UNKNOWN: not seen */
	uint64_t trip_ns; /* a true round trip as the other side measured it, or NS_UNKNOWN */
	uint64_t reach_ns; /* how long the SYN that the server answered took to get there, or NS_UNKNOWN */
	bool client_waited; /* the client is on this host, and was not ESTABLISHED when it ended */
	bool server_done; /* the server's side ended well, and was seen to */
	bool remote_is_here; /* the remote address was seen to be one of this host */
	bool acked; /* a SYN-ACK was sent again though the final ACK had come */
	bool deferred; /* the listener has TCP_DEFER_ACCEPT */
	bool inferred; /* no event says that it ended */
	bool exhausted; /* … and its SYN-ACK was sent as often as it may be */
	bool complete; /* no event was lost meanwhile */
	bool gap; /* not all its transmissions were seen */
	bool race_lost; /* its process had connected to another address of that port just before it ended */
	bool none_refused; /* every refused SYN that it can have been is reported, and there is none */
	uint32_t unreported; /* enum unreported: what this kernel does not report at all */
};

/* Does this kernel show it at all? */
bool evidence_shows(const struct evidence *e, enum unreported what);
/* Was all of it seen? */
bool evidence_whole(const struct evidence *e);
/* The same, and of what this host threw away itself: else a segment may be lost on its way, or dropped here. */
bool evidence_shows_loss(const struct evidence *e);
/*
 * May a queue of this host have dropped its SYN, unseen? Only where nobody can look at the queues or see when
 * a SYN goes out again, and the server was seen to be here.
 */
bool evidence_refused_unseen(const struct evidence *e);
/*
 * Did the client's SYN-ACK come right after one of those sent again? Then it was that one: the
 * first was not merely late.
 */
bool evidence_answered_at_once(const struct evidence *e);
/* When the last SYN left, from the first one on; 0: there was only one, or it is not known. */
uint64_t evidence_last_syn_ns(const struct evidence *e);
/*
 * Did the retransmission timer, of at least a second, end it? It also hands on the error of a
 * route that went away, while an ICMP message ends it as it comes.
 */
bool evidence_by_timer(const struct evidence *e);

#endif
