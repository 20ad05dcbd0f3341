/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TCPSHAKE_UNREPORTED_H
#define TCPSHAKE_UNREPORTED_H

/* What the running kernel does not report. */
enum unreported {
	UNREPORTED_REQUEST_RESET = 1 << 0, /* a RST for a request in the SYN queue */
	UNREPORTED_NO_SOCKET = 1 << 1, /* a RST sent where there is no socket */
	UNREPORTED_SEND_FAILED = 1 << 2, /* a retransmission that could not be sent */
	/* … and what the daemon finds that it could not attach to: */
	UNREPORTED_CLOSED_PORT = 1 << 3, /* that a SYN got a RST from a kernel watched here */
	UNREPORTED_RESET_RECEIVED = 1 << 4,
	UNREPORTED_REFUSED_ACK = 1 << 5, /* each final ACK that a listener refused */
	UNREPORTED_REFUSED_COOKIE = 1 << 6, /* that what was refused was a valid SYN cookie */
	UNREPORTED_RESET_SENT = 1 << 7, /* any RST that this host sent */
	UNREPORTED_SYN_RETRANSMIT = 1 << 8, /* when a SYN went out again */
	UNREPORTED_NEIGHBOUR = 1 << 9, /* that a next hop did not answer */
	UNREPORTED_QUEUES = 1 << 10, /* how full the listeners' queues are, and what they dropped */
	UNREPORTED_LISTENERS = 1 << 11, /* the same of those that were there before the daemon */
	UNREPORTED_DROP = 1 << 12, /* that this host threw a segment of a handshake away, and why */
	UNREPORTED_CONNECT = 1 << 13, /* how far a connect() came that failed at once */
};

#endif
