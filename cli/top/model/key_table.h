/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A bounded set of keys that numbers them, so that what belongs to them can stand in plain arrays.
 * Numbers of removed keys are used again. Pure, and copied as a whole.
 *
 * Number 0 is nobody's: it is for all that there is no room for.
 */
#ifndef TCPSHAKE_TOP_KEY_TABLE_H
#define TCPSHAKE_TOP_KEY_TABLE_H

#include <stdbool.h>
#include <stdint.h>

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
		};
		uint64_t words[TOP_KEY_SIZE / 8];
	};
};

struct top_table {
	struct top_key *keys; /* by number */
	bool *used;
	uint32_t *slots; /* a key's number; 0: free */
	uint32_t room; /* numbers 1..room - 1 */
	uint32_t slot_count; /* a power of two, at least twice the room */
	uint32_t count;
	uint32_t next; /* where to look for a free number */
};

/* 0, or -ENOMEM. */
int top_table_init(struct top_table *t, uint32_t room);
int top_table_copy(struct top_table *to, const struct top_table *from);
void top_table_free(struct top_table *t);
void top_table_clear(struct top_table *t);

/* The key's number, or TOP_OTHER if it has none. */
uint32_t top_table_find(const struct top_table *t, const struct top_key *key);
/* The same, but for a new key a number is made; TOP_OTHER if there is no room. */
uint32_t top_table_put(struct top_table *t, const struct top_key *key, bool *added);
void top_table_remove(struct top_table *t, uint32_t number);
/* Drop all for which `gone` says so. How many went. */
uint32_t top_table_sweep(struct top_table *t, bool (*gone)(void *ctx, uint32_t number), void *ctx);

static inline const struct top_key *top_table_key(const struct top_table *t, uint32_t number)
{
	return &t->keys[number];
}

#endif
