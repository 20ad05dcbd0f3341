/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel behind a feed lets be seen, as its hello or its probe says, and what that means:
 * which causes need it, and behind which others they may hide without it. A table. Pure.
 */
#ifndef TCPSHAKE_EVIDENCE_H
#define TCPSHAKE_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/feed/parsed_record.h"

/* The capabilities that a sentence of this program rests on. */
enum capability {
	CAPABILITY_LISTENERS, /* listener_iterator */
	CAPABILITY_LOOK, /* queue_look; older daemons say queue_iterator */
	CAPABILITY_DROP, /* kfree_skb */
	CAPABILITY_REASON, /* overflow_reason */
	CAPABILITY_RESET_SENT, /* tcp_send_reset */
	CAPABILITY_RESET_RECEIVED, /* tcp_receive_reset */
	CAPABILITY_SYN_AGAIN, /* tcp_retransmit_skb */
	CAPABILITY_NEIGHBOUR, /* neigh_timer_handler */
	CAPABILITY_FUNCTIONS, /* function_hooks */
	CAPABILITY_ACK_HOOKS, /* ack_hooks; older daemons say function_hooks of all of them */
	CAPABILITY_ACCEPT, /* accept_function */
	CAPABILITY_REQUEST, /* request_function */
	CAPABILITIES,
};

/* What can be seen, by one capability or another. */
enum sight {
	SIGHT_SYNS, /* SYNs that a listener refuses, for a full queue or without a route back */
	SIGHT_OLD_LISTENERS, /* the same, of listeners that are older than the daemon */
	SIGHT_ACKS, /* refused final ACKs and RSTs to pending requests, one by one */
	SIGHT_SYN_AGAIN,
	SIGHT_RESETS_SENT,
	SIGHT_RESETS_RECEIVED,
	SIGHT_NEIGHBOURS,
	SIGHTS,
};

#define SIGHT_CODES 6

struct sight_row {
	uint32_t needs; /* bits by enum capability: all of these */
	uint32_t instead; /* or all of these; 0: nothing else shows it */
	uint32_t moot; /* without any of these another row says all that there is to say */
	const char *shows;
	const char *causes[SIGHT_CODES]; /* that need it, up to NULL */
	/* Of active or of passive handshakes: what is said of them instead, up to NULL. */
	bool passive;
	const char *behind[SIGHT_CODES];
	const char *lost; /* what leaves no record at all without it, or NULL */
};

extern const struct sight_row sight_rows[SIGHTS];

struct evidence {
	bool known; /* somebody said what is granted */
	/* Schema 1.5: /proc shows what listens, and the counters of a namespace what was refused in it. */
	bool falls_back;
	uint32_t refused; /* bits by enum capability; what nobody named is not among them */
	uint32_t lacking; /* bits by enum sight */
	char reasons[CAPABILITIES][48];
};

/* Take a hello or a probe record in place of what was known. */
void evidence_take(struct evidence *e, const struct record *r);
/* Of several feeds: what one of them lacks may hide something in all. */
void evidence_join(struct evidence *all, const struct evidence *one);

static inline bool evidence_lacks(const struct evidence *e, enum sight sight)
{
	return e->lacking & 1U << sight;
}

static inline bool evidence_refuses(const struct evidence *e, enum capability capability)
{
	return e->refused & 1U << capability;
}

/*
 * Can a listener's refusals be counted: of SYNs, of final ACKs? Yes where nobody says no. `looked_at`:
 * its queues were.
 */
bool evidence_counts_syns(const struct evidence *e, bool looked_at);
bool evidence_counts_acks(const struct evidence *e, bool looked_at);
/* The refusals of all, if not whose they are? Those that nobody can assign pass no filter. */
bool evidence_counts_all(const struct evidence *e, bool filtered);
/* Are listeners that are older than the daemon hidden from it? */
bool evidence_hides_listeners(const struct evidence *e);

const char *capability_name(enum capability capability);
/* "queue_look: Operation not permitted" */
const char *evidence_reason(const struct evidence *e, enum capability capability, char *out,
			    size_t size);
/* The same of all that a sight needs and lacks. */
const char *evidence_reasons(const struct evidence *e, enum sight sight, char *out, size_t size);

/* One line: what a table of listeners does not show, and why; "" if it shows all. */
const char *evidence_of_queues(const struct evidence *e, char *out, size_t size);
/* The same of how long connections wait for accept(), where no listener has that. */
const char *evidence_of_waits(const struct evidence *e, char *out, size_t size);
/* … and of how many requests a new one finds in a SYN queue. */
const char *evidence_of_requests(const struct evidence *e, char *out, size_t size);
/* What a table of listeners without any says. */
const char *evidence_no_listeners(const struct evidence *e, char *out, size_t size);

#endif
