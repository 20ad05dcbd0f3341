/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a kernel may grant: what it is needed for, and what it costs to do without. */
#ifndef TCPSHAKE_CAPABILITIES_H
#define TCPSHAKE_CAPABILITIES_H

#include <stdbool.h>

enum {
	CAP_STATE,
	CAP_RETRANSMIT,
	CAP_UNPREEMPTED,
	CAP_TAKEOVER,
	CAP_FILES,
	CAP_LOOK,
	CAP_KFREE,
	CAP_RESET_SENT,
	CAP_RESET_RECEIVED,
	CAP_RETRANSMIT_SYN,
	CAP_NEIGHBOUR,
	CAP_REASON,
	CAP_ATOMICS,
	CAP_FUNCTIONS,
	CAP_ACK_HOOKS,
	CAP_RESET_HOOKS,
	CAP_REQUEST_FUNCTION,
	CAP_CLOSE,
	CAP_ACCEPT_FUNCTION,
	CAP_ACCEPT_SYSCALL,
	CAP_CONNECT_FUNCTION,
	CAP_CONNECT_SYSCALL,
	CAPABILITIES,
};

#define CAPABILITY_UNTRIED (-4096) /* no errno: the kernel was not asked */

struct capability {
	const char *name;
	const char *needed_for;
	const char *without; /* what it costs that it is missing */
	bool required;
	int error; /* 0, a negative errno or CAPABILITY_UNTRIED */
};

/* Before a kernel was asked: none is granted. */
extern const struct capability all_capabilities[CAPABILITIES];

/* Why it is not granted, in words. */
const char *capability_error(const struct capability *c);

/* ---- TCPSHAKE_REFUSE, for tests and for the curious: evidence is refused though the kernel grants it ---- */

/*
 * Does TCPSHAKE_REFUSE name it? A list of names of `--probe`, separated by commas; "all" is everything that
 * the daemon can do without.
 */
bool capability_refused(const char *name);

/* Is every name in TCPSHAKE_REFUSE one of a capability? If not, one line in the log says which is none. */
bool capabilities_check_refusals(void);

#endif
