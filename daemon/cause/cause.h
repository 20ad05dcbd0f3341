/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Why a handshake failed or was slow, and how a rule says it. */
#ifndef TCPSHAKE_CAUSE_H
#define TCPSHAKE_CAUSE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/names.h"

struct cause {
	enum cause_code code;
	bool proven;
	char detail[240]; /* one sentence */
};

/* True, since the rule applies. */
__attribute__((format(printf, 4, 5))) static inline bool say(struct cause *cause, enum cause_code code,
							     bool proven, const char *format, ...)
{
	va_list args;

	cause->code = code;
	cause->proven = proven;
	va_start(args, format);
	vsnprintf(cause->detail, sizeof(cause->detail), format, args);
	va_end(args);
	return true;
}

/* "once", "twice", "3 times" */
static inline const char *times_word(unsigned int n, char text[32])
{
	if (n == 1 || n == 2)
		snprintf(text, 32, n == 1 ? "once" : "twice");
	else
		snprintf(text, 32, "%u times", n);
	return text;
}

#endif
