/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The network namespaces of a scenario: `a` and `b`, joined by a veth pair. Descriptors hold them, and in each a process
 * that only waits, so that the daemon finds its counters: ours is never there for long. They go with us, however we end.
 */
#ifndef TCPSHAKE_LAB_SPACE_H
#define TCPSHAKE_LAB_SPACE_H

#include <stdint.h>
#include <sys/types.h>

#include "cli/lab/statement.h"

struct lab_space {
	int home; /* where we come from */
	int fds[LAB_PLACES];
	pid_t residents[LAB_PLACES];
	uint64_t inodes[LAB_PLACES]; /* as records name them */
};

/* 10.0.0.1 and fd00::1 in a, 10.0.0.2 and fd00::2 in b. 0, or -1 after one line on stderr. */
int lab_space_open(struct lab_space *s);
void lab_space_close(struct lab_space *s);

/* The calling thread goes there, or home again. 0 or a negative errno. */
int lab_space_enter(const struct lab_space *s, enum lab_place place);
void lab_space_leave(const struct lab_space *s);

/* 0; or -1 and why in `error`. */
int lab_space_sysctl(const struct lab_space *s, const struct lab_statement *st, char *error, size_t size);
int lab_space_nft(const struct lab_space *s, const struct lab_statement *st, char *error, size_t size);
int lab_space_delay(const struct lab_space *s, const struct lab_statement *st, char *error, size_t size);

#endif
