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
	ERR_EADDRNOTAVAIL = 99,
	ERR_ECONNABORTED = 103,
	ERR_ECONNRESET = 104,
	ERR_ETIMEDOUT = 110,
	ERR_ECONNREFUSED = 111,
	ERR_EHOSTUNREACH = 113,
};

/*
 * `error` is sk_err. Without one it was the application that gave up (close(), shutdown(),
 * connect(AF_UNSPEC)): unless no segment ever left, for then connect() found no local port.
 * Every error that is not a RST's, a timer's or an abort's came from ICMP (tcp_v4_err(),
 * tcp_v6_err() and the tables icmp_err_convert, tab_unreach) or the neighbour.
 */
static inline enum outcome failed_outcome(int error, bool segment_sent)
{
	switch (error) {
	case 0:
		return segment_sent ? OUTCOME_CANCELLED : OUTCOME_NO_PORT;
	case ERR_EADDRNOTAVAIL:
		return OUTCOME_NO_PORT;
	case ERR_ECONNREFUSED:
		return OUTCOME_REFUSED;
	case ERR_ETIMEDOUT:
		return OUTCOME_TIMEOUT;
	case ERR_ECONNRESET:
		return OUTCOME_RESET;
	case ERR_ECONNABORTED: /* tcp_abort(): ss -K, BPF */
		return OUTCOME_CANCELLED;
	default:
		return OUTCOME_UNREACHABLE;
	}
}

#endif
