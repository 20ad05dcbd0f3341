/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `top` knows: records in, numbers out. Pure: the time is passed in.
 *
 * Time is the records' own (`mono_ns`), in whole seconds. A window of N seconds at the time T is
 * the records of the N whole seconds before the second of T: of T = 100.3 s and N = 10 those with
 * 90 s <= mono_ns < 100 s. A record that comes late counts in its own second. "Since start" is all
 * that came, up to the last record.
 *
 * Memory is bounded. Of each table's rows there are at most TOP_ROWS_MAX - 1; when all are taken,
 * those that were idle for longer than the longest window go, and what they counted goes to
 * "other", as does what comes when none is idle. Likewise, of one second and table at most
 * TOP_SECOND_CELLS different numbers are kept; the rest is counted in that second's "other".
 */
#ifndef TCPSHAKE_TOP_MODEL_H
#define TCPSHAKE_TOP_MODEL_H

#include <stdint.h>

#include "common/filter.h"
#include "cli/feed/parsed_record.h"
#include "cli/top/model/kinds.h"

struct top_model;

struct top_model *top_model_new(void);
void top_model_free(struct top_model *m);
/* One that stays as it is while the other goes on. NULL if memory is out. */
struct top_model *top_model_copy(struct top_model *m);
/* Forget everything: another feed, or the same from its beginning. */
void top_model_clear(struct top_model *m);

/* `now_ns`: when it came, on the feed's clock; for records without a time of their own. */
void top_model_add(struct top_model *m, const struct record *r, uint64_t now_ns);

/* What is not wanted at all; `filter` must outlive the model. */
void top_model_set_source_filter(struct top_model *m, const struct filter *filter);
/*
 * Show only these, of what came and what comes. What came before the oldest record still kept
 * (`since_ns` of top_info_of()) is not counted any more. NULL: everything.
 */
void top_model_set_filter(struct top_model *m, const struct filter *filter);

#endif
