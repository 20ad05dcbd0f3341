/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The connections that correlate.c keeps: those in trouble, by their ends, and of the others when
 * the client was done. One whose ends NAT changes has those of either side.
 */
#ifndef TCPSHAKE_TRACK_H
#define TCPSHAKE_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "daemon/cause/handshake_evidence.h"
#include "daemon/cause/sighting.h"

#define TRACK_BUCKETS 4096
#define TRACKS_MAX 12288
#define RECENT 32768 /* clients that were ESTABLISHED */

#define FORGET_NS 150000000000ULL /* longer than any retransmission timer */
#define SLOP_NS 5000000ULL /* between what happens and the moment it is dated */

/* When segments of one kind were sent. */
struct series {
	uint64_t first_ns;
	uint32_t after_us[EVIDENCE_TIMES];
	uint16_t count; /* may be more than there are times */
};

void series_add(struct series *s, uint64_t ns);
unsigned int series_known(const struct series *s);
uint64_t series_ns(const struct series *s, unsigned int i);

/* The client, as far as its side is on this host. */
struct track_client {
	uint8_t addr[16];
	uint16_t port;
	bool ended;
	uint64_t done_ns; /* when it was ESTABLISHED; NS_UNKNOWN: not seen to be */
	uint64_t trip_ns; /* a true round trip, or NS_UNKNOWN */
	struct series syns;
	uint16_t unanswered; /* of them, the first ones */
	uint8_t asked; /* bits: SYNs that are candidates of refusals */
	uint32_t claim[EVIDENCE_TIMES]; /* of each SYN: the refusals that it may be among, 0: none */
};

/* The server, likewise. */
struct track_server {
	uint8_t addr[16];
	uint16_t port;
	bool done;
	bool supposed; /* the address and port are where NAT led others lately */
	uint32_t netns; /* 0: its side was not seen */
	uint64_t began_ns; /* the first SYN-ACK; NS_UNKNOWN: not seen */
	uint64_t trip_ns; /* a true round trip, or NS_UNKNOWN */
	struct series synacks;
};

/* The server's request, as its last retransmission showed it. */
struct track_request {
	uint64_t listener; /* the address of its listener; 0: not known */
	uint64_t last_ns;
	uint64_t due_ns; /* the SYN-ACK goes out again by then, or the request is gone; 0: no request */
	uint64_t timer_ns; /* from last_ns until the SYN-ACK's timer runs out */
	uint64_t limit_ns; /* of that timer; NS_UNKNOWN: none was seen */
	uint64_t timeout_ns, wait_ns; /* the last SYN-ACK that the timer is known to have sent, and how long it had waited; 0: none */
	uint16_t attempt; /* of the SYN-ACK */
	uint8_t timeouts, retries; /* of the SYN-ACK, as in event_retransmit */
	bool acked, deferred;
	bool crowded; /* its listener's SYN queue was, at that time */
};

/* Segments of one kind that a queue refused, as events reported them one by one. */
struct track_refused {
	uint16_t count;
	uint8_t code; /* enum overflow_code, of the last one */
	bool proven; /* all of them are */
};

/* By what a connection is found. */
enum track_index {
	BY_ENDS, /* of the side that was seen first */
	BY_OTHER_ENDS, /* of the other one, if NAT changed them */
	BY_ISN,
	TRACK_INDEXES,
};

struct track_link {
	struct track *next;
	uint64_t key;
	bool used;
};

/* One connection, seen from both ends as far as they are on this host. */
struct track {
	struct track_link link[TRACK_INDEXES];
	struct ends ends[ROLES]; /* as each side sees them, once it was seen */
	bool seen[ROLES];
	uint64_t from_ns; /* when it was first seen: its first SYN, or SYN-ACK */
	uint64_t touched_ns;
	uint32_t client_isn;
	bool gap; /* not all transmissions were seen */
	struct track_client client;
	struct track_server server;
	struct track_request request;
	struct track_refused refused_syns, refused_acks;
	uint32_t len, max; /* of the accept queue, at the last refusal */
};

_Static_assert(EVIDENCE_TIMES <= 8, "asked");

/* A client that was ESTABLISHED. */
struct recent {
	uint64_t key; /* of its ends */
	uint64_t done_ns;
	uint64_t trip_ns;
	uint32_t isn; /* which it is found by */
	struct ends ends;
};

_Static_assert(sizeof(struct recent) == 64, "a cache line");

struct tracks {
	_Alignas(64) struct recent recent[RECENT];
	struct track *bucket[TRACK_INDEXES][TRACK_BUCKETS];
	size_t count, translated;
	uint64_t lost;
};

void tracks_free(struct tracks *ts);

/* It is about to be looked for: have its memory fetched meanwhile. */
static inline void tracks_expect(const struct tracks *ts, uint64_t key, uint32_t client_isn)
{
	__builtin_prefetch(&ts->recent[client_isn % RECENT & ~1U]);
	__builtin_prefetch(&ts->recent[client_isn % RECENT | 1U]);
	__builtin_prefetch(&ts->bucket[BY_ENDS][key % TRACK_BUCKETS]);
}

struct track *tracks_find(const struct tracks *ts, uint64_t key);
/* The same connection, not an older one between those ends. */
struct track *tracks_of(const struct tracks *ts, uint64_t key, uint32_t client_isn);
/* … or the only one that can be the same but for NAT, of which that side was not seen: from now on it is found by both ends. */
struct track *tracks_meet(struct tracks *ts, const struct sighting *s);
/* Made if there is none; NULL if there is no room. */
struct track *tracks_get(struct tracks *ts, const struct sighting *s);
/* This side of it was seen. */
void track_seen(struct track *t, const struct sighting *s);
/* What the side that sees it so does not: false if NAT changed nothing, or the other side was not seen. */
bool track_peer(const struct track *t, enum role side, struct peer *peer);
/* All of them, beginning after NULL. */
struct track *tracks_next(const struct tracks *ts, const struct track *t);
void tracks_remove(struct tracks *ts, struct track *t);

/* A client is ESTABLISHED. */
void tracks_done(struct tracks *ts, const struct sighting *s, const struct event_handshake *e);
/*
 * The client of what a server saw, if it was ESTABLISHED lately: of the same ends, or the only one that may be the same
 * but for NAT, done between the SYN-ACK and the ACK. Else NULL.
 */
const struct recent *tracks_client(const struct tracks *ts, const struct sighting *s);

/* The SYN-ACK timer: 1 s, doubled each time it ran out, up to a limit, which is 120 s (TCP_RTO_MAX) at most. */
uint64_t track_timer_ns(unsigned int timeouts, uint64_t limit_ns);

#endif
