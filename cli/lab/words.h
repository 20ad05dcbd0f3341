/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The words of the lab's language and of the kernel's interface, as tables. Pure. */
#ifndef TCPSHAKE_LAB_WORDS_H
#define TCPSHAKE_LAB_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/lab/statement.h"

/* As in include/net/tcp_states.h; the first is not of the kernel. */
enum lab_state {
	LAB_GONE, /* closed, and nothing is left of it */
	LAB_ESTABLISHED,
	LAB_SYN_SENT,
	LAB_SYN_RECV,
	LAB_FIN_WAIT1,
	LAB_FIN_WAIT2,
	LAB_TIME_WAIT,
	LAB_CLOSED,
	LAB_CLOSE_WAIT,
	LAB_LAST_ACK,
	LAB_LISTENING,
	LAB_CLOSING,
	LAB_STATES,
};

struct lab_option {
	const char *name;
	int level, number;
	bool linger; /* its value is a struct linger */
};

extern const char *const lab_states[LAB_STATES];
extern const char *const lab_places[LAB_PLACES];
extern const char *const lab_calls[LAB_CALLS];
extern const char *const lab_subjects[LAB_SUBJECTS_OF_SOCKETS]; /* NULL: LAB_STATE has no word */

/* NULL if there is no such option. */
const struct lab_option *lab_option_find(const char *name);
/* "ECONNREFUSED" of its number; "E" and the number if Linux defines no such. */
const char *lab_errno_name(int error, char *out, size_t size);
/* Its number, or 0. */
int lab_errno_find(const char *name);

#endif
