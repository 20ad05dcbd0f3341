/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The keys of top's tables, and their numbers from 1 on. Number 0 is nobody's: it is for all that there is
 * no room for. Pure.
 */
#ifndef TCPSHAKE_TOP_KEY_TABLE_H
#define TCPSHAKE_TOP_KEY_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/keyset.h"

#define TOP_KEY_SIZE 64
#define TOP_OTHER 0

/* Compared as bytes: what is unused is zero. */
struct top_key {
	union {
		char text[TOP_KEY_SIZE]; /* with its NUL */
		struct {
			uint64_t id; /* of a socket, or 0 */
			uint32_t netns;
			uint32_t port;
			uint8_t addr[16]; /* network byte order, v4-mapped */
			uint32_t host; /* as struct record numbers them; of a process, too, behind its name */
			char host_name[28]; /* cut off; "" where there is one host */
		};
		uint64_t words[TOP_KEY_SIZE / 8];
	};
};

static inline uint32_t top_table_find(const struct keyset *t, const struct top_key *key)
{
	return (uint32_t)(keyset_find(t, key) + 1); /* KEYSET_NONE + 1 is TOP_OTHER */
}

/* The same, but for a new key a number is made; TOP_OTHER if there is no room. */
static inline uint32_t top_table_put(struct keyset *t, const struct top_key *key, bool *added)
{
	return (uint32_t)(keyset_put(t, key, added) + 1);
}

/* NULL for TOP_OTHER. */
static inline const struct top_key *top_table_key(const struct keyset *t, uint32_t number)
{
	return number == TOP_OTHER ? NULL : keyset_at(t, number - 1);
}

static inline bool top_table_has(const struct keyset *t, uint32_t number)
{
	return number != TOP_OTHER && keyset_has(t, number - 1);
}

#endif
