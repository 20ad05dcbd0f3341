/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A set of keys of one size that numbers them from 0, so that what belongs to them can stand in plain
 * arrays. Open addressing; keys are compared as bytes, so what is unused in them is zero. A number is a
 * key's as long as the key is there, and another's after that. Pure.
 */
#ifndef TCPSHAKE_KEYSET_H
#define TCPSHAKE_KEYSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYSET_NONE SIZE_MAX

/* Zeroed but for `key_size` it is empty, and grows as it is filled. */
struct keyset {
	size_t key_size;
	unsigned char *keys; /* by number */
	bool *used; /* by number */
	uint32_t *slots; /* number + 1; 0: free */
	size_t room, slot_count, count;
	size_t next; /* where to look for a free number */
	bool bounded; /* it does not grow beyond its room */
};

/* One for `room` keys, which does not grow. 0, or -ENOMEM. */
int keyset_init(struct keyset *s, size_t key_size, size_t room);
int keyset_copy(struct keyset *to, const struct keyset *from);
void keyset_free(struct keyset *s);
void keyset_clear(struct keyset *s);

/* The key's number, or KEYSET_NONE. */
size_t keyset_find(const struct keyset *s, const void *key);
/* The same, but for a new key a number is made; KEYSET_NONE if there is no room or no memory. */
size_t keyset_put(struct keyset *s, const void *key, bool *added);
void keyset_remove(struct keyset *s, size_t number);
/* Drop all for which `gone` says so. How many went. */
size_t keyset_sweep(struct keyset *s, bool (*gone)(void *ctx, size_t number), void *ctx);

static inline const void *keyset_at(const struct keyset *s, size_t number)
{
	return s->keys + number * s->key_size;
}

/* Is there a key of that number? */
static inline bool keyset_has(const struct keyset *s, size_t number)
{
	return number < s->room && s->used[number];
}

#endif
