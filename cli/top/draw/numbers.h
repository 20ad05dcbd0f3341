/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers and times as the screen has them: short, and with their units. Pure. */
#ifndef TCPSHAKE_TOP_NUMBERS_H
#define TCPSHAKE_TOP_NUMBERS_H

#include "cli/text/text.h"
#include "cli/top/model/model.h"

/* "123456", then "1234k", "123M": at most `digits` characters, and five of them are enough. */
const char *top_number(uint64_t n, unsigned digits, char *out, size_t size);
/* "0/s", "1.2/s", "123/s", "12.3k/s" */
const char *top_rate(uint64_t n, double seconds, char *out, size_t size);
/* "now", "12 s", "3 m", "2 h" */
const char *top_age(uint64_t from_ns, uint64_t now_ns, char *out, size_t size);
/* The time of day, "17:31:07" or "17:31:07.123". */
const char *top_clock(const struct top_model *m, uint64_t mono_ns, bool millis, char *out,
		      size_t size);

#endif
