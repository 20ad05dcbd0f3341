// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "common/keyset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a, by words where there are any, folded: addresses of one network differ in few bits. */
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
	return h ^ h >> 17 ^ h >> 29;
}

/* The key's slot, or the free one where it belongs. */
static size_t slot_of(const struct keyset *s, const void *key)
{
	size_t slot = hash(key, s->key_size) & (s->slot_count - 1);

	while (s->slots[slot] && memcmp(keyset_at(s, s->slots[slot] - 1), key, s->key_size) != 0)
		slot = (slot + 1) & (s->slot_count - 1);
	return slot;
}

static void fill_slots(struct keyset *s)
{
	memset(s->slots, 0, s->slot_count * sizeof(*s->slots));
	for (size_t i = 0; i < s->room; i++)
		if (s->used[i])
			s->slots[slot_of(s, keyset_at(s, i))] = (uint32_t)i + 1;
}

/* Never more than half of the slots are taken. */
static int resize(struct keyset *s, size_t room)
{
	size_t slot_count = 4;
	unsigned char *keys;
	uint32_t *slots;
	bool *used;

	while (slot_count < 2 * room)
		slot_count *= 2;
	if (room > UINT32_MAX / 2)
		return -ENOMEM;
	keys = reallocarray(s->keys, room, s->key_size);
	s->keys = keys ? keys : s->keys;
	used = reallocarray(s->used, room, sizeof(*used));
	s->used = used ? used : s->used;
	slots = keys && used ? calloc(slot_count, sizeof(*slots)) : NULL;
	if (!slots)
		return -ENOMEM;
	memset(used + s->room, 0, room - s->room);
	free(s->slots);
	s->slots = slots;
	s->slot_count = slot_count;
	s->room = room;
	fill_slots(s);
	return 0;
}

int keyset_init(struct keyset *s, size_t key_size, size_t room)
{
	*s = (struct keyset){ .key_size = key_size, .bounded = true };
	if (resize(s, room) == 0)
		return 0;
	keyset_free(s);
	return -ENOMEM;
}

int keyset_copy(struct keyset *to, const struct keyset *from)
{
	int err = keyset_init(to, from->key_size, from->room);

	if (err)
		return err;
	memcpy(to->keys, from->keys, from->room * from->key_size);
	memcpy(to->used, from->used, from->room * sizeof(*to->used));
	memcpy(to->slots, from->slots, from->slot_count * sizeof(*to->slots));
	to->count = from->count;
	to->next = from->next;
	return 0;
}

void keyset_free(struct keyset *s)
{
	free(s->keys);
	free(s->used);
	free(s->slots);
	*s = (struct keyset){ .key_size = s->key_size };
}

void keyset_clear(struct keyset *s)
{
	if (s->used)
		memset(s->used, 0, s->room * sizeof(*s->used));
	if (s->slots)
		memset(s->slots, 0, s->slot_count * sizeof(*s->slots));
	s->count = s->next = 0;
}

size_t keyset_find(const struct keyset *s, const void *key)
{
	size_t slot;

	if (!s->count)
		return KEYSET_NONE;
	slot = slot_of(s, key);
	return s->slots[slot] ? s->slots[slot] - 1 : KEYSET_NONE;
}

size_t keyset_put(struct keyset *s, const void *key, bool *added)
{
	size_t number = keyset_find(s, key);

	*added = false;
	if (number != KEYSET_NONE)
		return number;
	if (s->count == s->room && (s->bounded || resize(s, s->room ? 2 * s->room : 16) < 0))
		return KEYSET_NONE;
	for (number = s->next; number == s->room || s->used[number];)
		number = number < s->room ? number + 1 : 0;
	s->next = number + 1;
	memcpy(s->keys + number * s->key_size, key, s->key_size);
	s->slots[slot_of(s, key)] = (uint32_t)number + 1;
	s->used[number] = true;
	s->count++;
	*added = true;
	return number;
}

/* What comes behind it in its run of slots may belong further ahead, and is put in anew. */
void keyset_remove(struct keyset *s, size_t number)
{
	size_t slot = slot_of(s, keyset_at(s, number));

	s->used[number] = false;
	s->slots[slot] = 0;
	s->count--;
	for (slot = (slot + 1) & (s->slot_count - 1); s->slots[slot];
	     slot = (slot + 1) & (s->slot_count - 1)) {
		uint32_t moved = s->slots[slot];

		s->slots[slot] = 0;
		s->slots[slot_of(s, keyset_at(s, moved - 1))] = moved;
	}
}

size_t keyset_sweep(struct keyset *s, bool (*gone)(void *ctx, size_t number), void *ctx)
{
	size_t before = s->count;

	for (size_t i = 0; i < s->room; i++) {
		if (!s->used[i] || !gone(ctx, i))
			continue;
		s->used[i] = false;
		s->count--;
	}
	if (s->count != before)
		fill_slots(s);
	return before - s->count;
}
