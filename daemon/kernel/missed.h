/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a run of a program would have reported, that the kernel skipped since it was running already on that CPU. */
#ifndef TCPSHAKE_MISSED_H
#define TCPSHAKE_MISSED_H

enum missed {
	MISSED_TRANSITION, /* a change of state: a handshake, or a listener */
	MISSED_RETRANSMIT,
	MISSED_RESET,
	MISSED_OVERFLOW, /* a refusal that a hook shows */
	MISSED_ACCEPT,
	MISSED_CLOSE, /* a change of state, of which a record of a connection's end is short */
	MISSED_CONNECT, /* a connect() that failed at once, maybe */
	MISSED_CONNECT_WAY, /* how far a connect() came: who refused it rests on that */
	MISSED_EVIDENCE, /* a dropped packet, a neighbour: causes rest on it */
	MISSED_KINDS,
};

#endif
