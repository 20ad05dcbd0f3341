/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One line on standard error about what takes longer than a second, drawn anew in its place and gone when there is
 * something to show. Nothing of it where standard error is no terminal.
 */
#ifndef TCPSHAKE_PROGRESS_H
#define TCPSHAKE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool on; /* somebody may see it */
	bool shown; /* there is a line of ours */
	uint64_t due; /* CLOCK_MONOTONIC */
};

#define SHARE_UNKNOWN UINT64_MAX

struct progress progress_begin(void);
/* "reading big.ndjson: 42 %, 1234567 records so far; Ctrl-C shows these": `share` in percent, or SHARE_UNKNOWN. */
void progress_show(struct progress *p, const char *doing, const char *name, uint64_t share, uint64_t records);
/* Before anything else is written there. */
void progress_clear(struct progress *p);
/* A warning: "big.ndjson was read up to line 812, 42 % of it: what follows is not in what is shown". `share` as above. */
void progress_interrupted(const char *name, uint64_t line, uint64_t share);

#endif
