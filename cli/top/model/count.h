/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a fact counts for: its second, all time, and in each of them its rows. Pure. */
#ifndef TCPSHAKE_TOP_COUNT_H
#define TCPSHAKE_TOP_COUNT_H

#include "cli/top/model/counted.h"

struct top_key top_place_key(uint32_t netns, const uint8_t *addr, uint16_t port);
/* It is that host's. */
void top_set_host(const struct top_model *m, struct top_key *key, uint32_t host);
/* Its row; TOP_OTHER if there is no room. */
uint32_t top_row_of(struct top_model *m, enum top_table_id id, const struct top_key *key);
void top_count_cell(struct top_model *m, struct top_bucket *b, enum top_table_id id, uint32_t row,
		    uint32_t slot, uint64_t n);
/* Do the keys' filter want it? */
bool top_is_wanted(const struct top_model *m, const struct top_fact *f);
/* Count a fact. */
void top_apply(struct top_model *m, const struct top_fact *f);
/* The listener that a passive handshake or a refusal is about: itself, or that of all addresses. */
uint32_t top_find_listener(const struct top_model *m, const struct top_fact *f);

#endif
