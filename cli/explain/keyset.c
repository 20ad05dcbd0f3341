// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/explain/keyset.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a, by words where there are any. */
static uint64_t hash(const unsigned char *key, size_t size)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (; size >= 8; key += 8, size -= 8) {
		uint64_t word;

		memcpy(&word, key, 8);
		h = (h ^ word) * 0x100000001b3ULL;
		h ^= h >> 32;
	}
	for (; size; key++, size--)
		h = (h ^ *key) * 0x100000001b3ULL;
	return h ^ h >> 29;
}

const void *keyset_at(const struct keyset *s, size_t number)
{
	return s->keys + number * s->key_size;
}

/* The key's slot, or the free one where it belongs. */
static size_t slot_of(const struct keyset *s, const void *key)
{
	size_t slot = hash(key, s->key_size) & (s->slot_count - 1);

	while (s->slots[slot] && memcmp(keyset_at(s, s->slots[slot] - 1), key, s->key_size) != 0)
		slot = (slot + 1) & (s->slot_count - 1);
	return slot;
}

size_t keyset_find(const struct keyset *s, const void *key)
{
	size_t slot;

	if (!s->count)
		return KEYSET_NONE;
	slot = slot_of(s, key);
	return s->slots[slot] ? s->slots[slot] - 1 : KEYSET_NONE;
}

/* Twice the room, never more than half of the slots taken. */
static int grow(struct keyset *s)
{
	size_t room = s->room ? 2 * s->room : 16;
	unsigned char *keys;
	uint32_t *slots;

	if (room > UINT32_MAX / 2)
		return -1;
	keys = reallocarray(s->keys, room, s->key_size);
	if (!keys)
		return -1;
	s->keys = keys;
	slots = calloc(2 * room, sizeof(*slots));
	if (!slots)
		return -1;
	free(s->slots);
	s->slots = slots;
	s->slot_count = 2 * room;
	s->room = room;
	for (size_t i = 0; i < s->count; i++)
		s->slots[slot_of(s, keyset_at(s, i))] = (uint32_t)i + 1;
	return 0;
}

size_t keyset_put(struct keyset *s, const void *key)
{
	size_t found = keyset_find(s, key), slot;

	if (found != KEYSET_NONE)
		return found;
	if (s->count == s->room && grow(s) < 0)
		return KEYSET_NONE;
	slot = slot_of(s, key);
	memcpy(s->keys + s->count * s->key_size, key, s->key_size);
	s->slots[slot] = (uint32_t)++s->count;
	return s->count - 1;
}

void keyset_free(struct keyset *s)
{
	free(s->keys);
	free(s->slots);
	s->keys = NULL;
	s->slots = NULL;
	s->count = s->room = s->slot_count = 0;
}
