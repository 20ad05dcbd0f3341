/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When a recorder keeps an incident: "overflow", "outcome=failed rate>10/s", "p99>100ms for 10s",
 * "cause=ports_exhausted". Pure: its clock is that of the records (mono_ns), in whole seconds.
 *
 *   TYPE            records of this type; else handshakes, or with cause= also overflows
 *   KEY=VALUE       a filter's criterion (common/filter.h), or cause=CODE,…
 *   rate>N/s        more than N of them in a second, or with /m in the last minute; refusals count as many as they were
 *   pN>DURATION     the N-th percentile of a second's latencies, of established handshakes
 *   for DURATION    in each of so many seconds, one after the other
 *
 * All words must hold. A second without handshakes has no percentile.
 */
#ifndef TCPSHAKE_TRIGGER_H
#define TCPSHAKE_TRIGGER_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/feed/parsed_record.h"

struct trigger;

/* NULL with one line in `error` that says what is wrong. */
struct trigger *trigger_new(const char *text, char *error, size_t size);
void trigger_free(struct trigger *t);

/* What it looks at in records of that type (enum record_part); 0: nothing but their time. */
uint32_t trigger_parts(const struct trigger *t, enum record_type type);
/* Take a record of the feed: does it strike? */
bool trigger_take(struct trigger *t, const struct record *r);

#define TRIGGER_WORD_SIZE 40
/* One word for it, of a-z, 0-9 and _: the cause or the outcome of the record at which it struck. */
const char *trigger_word(const struct trigger *t, const struct record *r, char out[TRIGGER_WORD_SIZE]);

#endif
