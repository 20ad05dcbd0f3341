/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What to look at for a cause, with the values there, and what to do about it. Pure. */
#ifndef TCPSHAKE_EXPLAIN_ADVICE_H
#define TCPSHAKE_EXPLAIN_ADVICE_H

#include "cli/explain/model.h"

#include "common/buf.h"

/* Where values come from; `sysctl` is NULL if the feed is another host's. */
struct explain_host {
	const struct evidence *evidence; /* what was seen there; NULL: not known */
	bool (*sysctl)(void *ctx, const struct explain_cause *c, const char *name, char *out,
		       size_t size);
	void *ctx;
};

struct explain_fact {
	char name[64];
	bool has_value;
	char value[512];
	const char *why;
};

/* The number `i` (from 0) of what to look at; false if there are no more. */
bool explain_fact(const struct explain_cause *c, const struct explain_host *host, size_t i,
		  struct explain_fact *fact);

/* One line without a newline. */
void explain_advice(const struct explain_cause *c, const struct explain_host *host, struct buf *b);

#endif
