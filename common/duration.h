/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Durations as people write them. Pure. */
#ifndef TCPSHAKE_DURATION_H
#define TCPSHAKE_DURATION_H

#include <stddef.h>
#include <stdint.h>

/*
 * Parse "250us", "10ms", "1.5s", "2m", "1h", "500ns", or a bare number of seconds ("10", "0.5")
 * to nanoseconds. 0, or -1 if it is none, is negative or does not fit.
 */
int duration_parse(const char *text, uint64_t *ns);

/* "412 ns", "40.1 us", "3.25 ms", "1.04 s", "75.0 s": three digits, at most 8 characters. */
const char *duration_format(uint64_t ns, char *out, size_t size);

#endif
