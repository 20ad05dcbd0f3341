/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Moments as people write them, and as file names hold them: nanoseconds since the epoch. */
#ifndef TCPSHAKE_MOMENT_H
#define TCPSHAKE_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * "2026-11-20T10:47:46.5Z", with +01:00 in place of the Z, or, in local time, without either; the seconds may be left
 * out, and so may the date, which is today's then. Or a duration, as of duration_parse(): so long before `now_ns`.
 * 0, or -1 if it is neither.
 */
int moment_parse(const char *text, uint64_t now_ns, uint64_t *ns);

#define MOMENT_STAMP_SIZE sizeof("20261120T104746Z")

/* "20261120T104746Z": the whole second that it is in. */
const char *moment_stamp(uint64_t ns, char out[MOMENT_STAMP_SIZE]);
/* The beginning of that second, from the first bytes of `text`. False if they are no stamp. */
bool moment_of_stamp(const char *text, uint64_t *ns);

#endif
