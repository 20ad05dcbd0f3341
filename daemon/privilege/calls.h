/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The system calls that the daemon makes after `hello`: the kernel refuses all others with EPERM. */
#ifndef TCPSHAKE_CALLS_H
#define TCPSHAKE_CALLS_H

#include <stdbool.h>

/* What else this daemon does: a set of enum call_use. */
struct calls_wanted {
	unsigned int uses;
};

enum call_use {
	USE_ALWAYS = 0,
	USE_OUTPUT = 1 << 0, /* a file that is opened again */
	USE_SOCKET = 1 << 1, /* subscribers and requests */
	USE_METRICS = 1 << 2,
	USE_ROTATION = 1 << 3, /* a file that is renamed when it is full */
};

/* 0, or a negative errno: without seccomp in this kernel, or where a container does not let it be used. */
int calls_limit(const struct calls_wanted *wanted);

#endif
