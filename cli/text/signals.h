/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Signals as a descriptor to poll: SIGINT, SIGTERM, SIGHUP to stop, SIGWINCH for a new width. */
#ifndef TCPSHAKE_SIGNALS_H
#define TCPSHAKE_SIGNALS_H

#include <stdbool.h>

struct signals {
	int fd;
	unsigned stops; /* requests to stop so far */
	bool resized; /* the terminal's size changed; the reader clears it */
	bool suspended; /* SIGTSTP came, after signals_take_suspend(); the reader clears it */
};

/* Block the signals and ignore SIGPIPE: writes fail with EPIPE instead. 0 or a negative errno. */
int signals_init(struct signals *s);
/* From now on SIGTSTP is taken, too: somebody has the terminal to restore before stopping. */
int signals_take_suspend(struct signals *s);
/* Stop as SIGTSTP would have; returns when somebody continues us. */
void signals_suspend(void);
/* Take what is pending; does not block. */
void signals_read(struct signals *s);
/* In a child before exec: what signals_init() changed must not be inherited. */
void signals_restore(void);

#endif
