/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How an attempt that did not reach ESTABLISHED ended, from what the socket holds at its last
 * state change. Pure, so that the BPF programs and the unit tests run the same lines.
 */
#ifndef TCPSHAKE_OUTCOME_H
#define TCPSHAKE_OUTCOME_H

#include "event.h"

/* Linux's errno numbers on every architecture but mips, parisc, alpha and sparc. */
enum {
	ERR_EPERM = 1,
	ERR_EACCES = 13,
	ERR_EBUSY = 16,
	ERR_EPIPE = 32,
	ERR_EADDRINUSE = 98,
	ERR_EADDRNOTAVAIL = 99,
	ERR_ENETDOWN = 100,
	ERR_ENETUNREACH = 101,
	ERR_ECONNABORTED = 103,
	ERR_ECONNRESET = 104,
	ERR_ENOBUFS = 105,
	ERR_ETIMEDOUT = 110,
	ERR_ECONNREFUSED = 111,
	ERR_EHOSTUNREACH = 113,
	ERR_EKEYREJECTED = 129,
};

/*
 * `error` is sk_err, or of an attempt without a SYN unsent_error(). Without one it was the application
 * that gave up (close(), shutdown(), connect(AF_UNSPEC)). Every error that is not a RST's, a timer's, an
 * abort's or connect()'s own came from ICMP (tcp_v4_err(), tcp_v6_err() and the tables icmp_err_convert,
 * tab_unreach) or the neighbour.
 */
static inline enum outcome failed_outcome(int error)
{
	switch (error) {
	case ERR_EADDRNOTAVAIL:
		return OUTCOME_NO_PORT;
	case ERR_ECONNREFUSED:
		return OUTCOME_REFUSED;
	case ERR_ETIMEDOUT:
		return OUTCOME_TIMEOUT;
	case ERR_ECONNRESET:
		return OUTCOME_RESET;
	case 0:
	case ERR_ECONNABORTED: /* tcp_abort(): ss -K, BPF */
	case ERR_ENOBUFS:
	case ERR_EKEYREJECTED:
		return OUTCOME_CANCELLED;
	default:
		return OUTCOME_UNREACHABLE;
	}
}

/* Of a connect() that failed before its socket left CLOSE. OUTCOMES: the error says nothing of the network, or of who may use it. */
static inline enum outcome at_once_outcome(int error)
{
	switch (error) {
	case ERR_EPERM:
	case ERR_EACCES:
		return OUTCOME_DENIED;
	case ERR_EADDRINUSE:
	case ERR_EADDRNOTAVAIL:
	case ERR_ENETDOWN:
	case ERR_ENETUNREACH:
	case ERR_EHOSTUNREACH:
		return OUTCOME_UNREACHABLE;
	default:
		return OUTCOMES;
	}
}

/*
 * What a socket shows that goes from SYN_SENT to CLOSE without a SYN: how far tcp_v4_connect(),
 * tcp_v6_connect() and tcp_connect() came.
 */
struct unsent {
	bool has_port; /* inet_hash_connect() found a local port */
	bool is_routed; /* a route is stored in the socket */
	bool is_built; /* tcp_connect_init() was called, behind all checks */
	bool is_refused; /* … and the SYN was handed on, to be refused */
	bool lost_route; /* rebuild_header() found no route any more, and left its error in sk_err_soft */
	bool may_wait; /* TCP_FASTOPEN_CONNECT: with a cookie, the first data takes the SYN along */
};

#define NEVER_ASKED (-1)

/*
 * The errno of connect(), or of the send() that was to send the SYN. 0: it had one that the socket does not
 * show, a route's. NEVER_ASKED: nobody asked for a SYN.
 */
static inline int unsent_error(const struct unsent *u)
{
	if (!u->has_port)
		return ERR_EADDRNOTAVAIL;
	if (u->is_built)
		return u->is_refused ? ERR_ECONNREFUSED : ERR_ENOBUFS;
	if (u->lost_route)
		return ERR_EHOSTUNREACH;
	if (u->may_wait)
		return NEVER_ASKED;
	return u->is_routed ? ERR_EKEYREJECTED : 0;
}

#endif
