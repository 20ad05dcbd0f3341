/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A set of keys of one size that numbers them from 0 in the order they came, so that what
 * belongs to them can stand in plain arrays. Keys are compared as bytes: zero their padding.
 */
#ifndef TCPSHAKE_KEYSET_H
#define TCPSHAKE_KEYSET_H

#include <stddef.h>
#include <stdint.h>

struct keyset {
	size_t key_size;
	unsigned char *keys;
	size_t count, room;
	uint32_t *slots; /* a key's number + 1; 0: free */
	size_t slot_count; /* a power of two */
};

#define KEYSET_NONE SIZE_MAX

/* The key's number; as much as `count` was before if it is new; KEYSET_NONE if memory is out. */
size_t keyset_put(struct keyset *s, const void *key);
/* The key's number, or KEYSET_NONE. */
size_t keyset_find(const struct keyset *s, const void *key);
const void *keyset_at(const struct keyset *s, size_t number);
void keyset_free(struct keyset *s);

#endif
