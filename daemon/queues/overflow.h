/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which listener refused how many handshakes, at which step, for which queue: the listeners' drop
 * counts reconciled with the namespace's counters. Pure.
 *
 * The kernel counts (tcp_conn_request(), tcp_v4_syn_recv_sock(), tcp_check_req()):
 *   a SYN, accept queue full      sk_drops +1  ListenDrops +1  ListenOverflows +1
 *   a SYN, SYN queue full         sk_drops +1  ListenDrops +1  TCPReqQFullDrop +1
 *   a SYN, no route back          sk_drops +1  ListenDrops +1  OutNoRoutes +1
 *   a SYN, any other reason       sk_drops +1  ListenDrops +1
 *   a final ACK, accept queue full sk_drops +2 ListenDrops +1  ListenOverflows +1
 *   a cookie's ACK, the same      sk_drops +1  ListenDrops +1  ListenOverflows +1
 *   a SYN answered with a cookie                               TCPReqQFullDoCookies +1
 *     (with tcp_syncookies=2 that is every SYN, and no queue is full)
 * With data, a final ACK may be several segments in one packet: that is one refusal, but sk_drops counts the segments.
 * sk_drops also counts what is no refusal: a client's RST to a pending request, for one. So the
 * namespace's counters say how many refusals there were, sk_drops only whose they may be.
 */
#ifndef TCPSHAKE_OVERFLOW_H
#define TCPSHAKE_OVERFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

/* The counters of one namespace that an overflow moves. */
struct overflow_counters {
	uint64_t overflows; /* ListenOverflows */
	uint64_t drops; /* ListenDrops */
	uint64_t reqq_drops; /* TCPReqQFullDrop */
	uint64_t reqq_cookies; /* TCPReqQFullDoCookies */
	uint64_t blurs; /* EmbryonicRsts, SyncookiesRecv: what makes sk_drops ambiguous */
	uint64_t no_routes; /* OutNoRoutes of both families: SYN-ACKs, and what else could not be routed */
	uint64_t no_routes_again; /* … of which these are from before, and wait no longer */
	uint64_t no_full_queue; /* of ListenDrops: all that no full queue explains, ever */
	uint64_t plain_cookies; /* of TCPReqQFullDoCookies: all that tcp_syncookies=2 explains, ever */
};

/* One listener's part, since the last time it was reconciled. */
struct overflow_view {
	uint64_t drops; /* sk_drops */
	uint64_t acks; /* final ACKs known to be refused, one by one (kfree_skb, tcp_check_req) */
	uint64_t cookie_acks;
	uint64_t failed; /* children that could not be made for another reason */
	uint64_t merged; /* of drops: segments of those ACKs beyond the first of each packet */
	uint64_t syns[CODES]; /* SYNs known to be refused, one by one (tcp_conn_request) */
	uint64_t syn_failed; /* SYNs, and ACKs of cookies, dropped for another reason */
	uint64_t evident; /* final ACKs known by a SYN-ACK retransmit, where acks is not kept */
	uint64_t acks_most; /* no more final ACKs than these were refused; UINT64_MAX: not known */
	bool syns_known; /* each refused SYN is in syns, or will be */
	uint64_t fresh; /* of drops: since the look before */
	bool accept_full; /* at the last look, or its peak since the one before */
	bool syn_full;
	bool cookies_always; /* tcp_syncookies is 2, or was at the look before: each SYN gets one, whatever the queue's length */
	bool three_quarters; /* no syncookies, and the SYN queue is over 3/4 of max_syn_backlog */
};

struct overflow_finding {
	size_t view; /* whose; OVERFLOW_NOBODY if no listener explains it */
	enum overflow_stage stage;
	enum overflow_queue queue;
	enum overflow_action action;
	enum overflow_evidence evidence;
	enum overflow_code code;
	bool proven;
	uint64_t count;
};

/* SYNs that a listener refused between two looks at it. */
struct syn_refusals {
	uint32_t netns;
	uint16_t port; /* 0, with code CODES: SYNs dropped there for what no full queue explains */
	uint8_t addr[16]; /* that it is bound to; all zero, or mapped: a wildcard */
	uint64_t from_ns, to_ns;
	uint64_t count;
	enum overflow_code code;
	bool proven; /* they are this listener's */
	uint32_t len, max; /* of the accept queue, at its fullest between the looks */
};

#define OVERFLOW_NOBODY SIZE_MAX
#define OVERFLOW_FINDINGS(views) (8 * (views) + 1) /* at most so many */

/*
 * Explain `kernel`, what the counters moved and was not explained before; on return it holds what
 * is left for the next time (a drop between the look at the listener and that at the counters).
 * `reasons`: each refused final ACK is reported one by one, so acks and cookie_acks are complete.
 * Else no finding about the accept queue is proven, unless acks_most is 0: whether a SYN or a final
 * ACK was refused is the difference of counts that other drops, and later ones, move as well.
 * Where syns_known holds and a drop since the look before is not reported yet, its event may be on its
 * way: nothing is found about SYNs then, or it would be reported twice, until a look that finds no such drop.
 * Drops of a listener that are explained are taken off its view. Returns the findings' number.
 */
size_t overflow_reconcile(struct overflow_counters *kernel, struct overflow_view *views, size_t count,
			  bool reasons, struct overflow_finding *findings);

/*
 * The same where nobody can look at the listeners, from the counters alone: whose the refusals were is not
 * known, nor for certain that they were SYNs. `reported` has what events reported one by one since the last
 * time, of all listeners, and is cleared. A refusal is found the second time that it is left, for its event may
 * still be on its way the first time: `before` keeps what was left then.
 */
size_t overflow_unseen(struct overflow_counters *kernel, struct overflow_view *reported,
		       struct overflow_counters *before, struct overflow_finding *findings);

/*
 * The same where the counters cannot be read, from sk_drops alone: what a listener with a full
 * accept queue dropped was probably SYNs.
 */
size_t overflow_guess(struct overflow_view *views, size_t count, struct overflow_finding *findings);

#endif
