/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A scenario's text as statements. Pure: it knows no file and no kernel. */
#ifndef TCPSHAKE_LAB_PARSE_H
#define TCPSHAKE_LAB_PARSE_H

#include "cli/lab/statement.h"

/*
 * Parse `text`; `file` is what it is called in messages. 0, and `s` is to be given to lab_scenario_free();
 * or -1 and one line in `error`: where, what was found there and what was expected.
 */
int lab_parse(const char *file, const char *text, struct lab_scenario *s, char *error, size_t size);
void lab_scenario_free(struct lab_scenario *s);

/* The name of the socket at `index` of a range, from 0; how many there are. */
void lab_range_name(const struct lab_range *r, unsigned index, char *out, size_t size);
unsigned lab_range_count(const struct lab_range *r);
/* Is `value`, and `max` of a queue, one of these numbers? */
bool lab_numbers_hold(const struct lab_numbers *n, uint64_t value, uint64_t max);

#endif
