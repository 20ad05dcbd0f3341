// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/top/model/key_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a by words, folded: addresses of one network differ in few bits. */
static uint64_t hash(const struct top_key *key)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (unsigned i = 0; i < TOP_KEY_SIZE / 8; i++) {
		h = (h ^ key->words[i]) * 0x100000001b3ULL;
		h ^= h >> 32;
	}
	return h ^ h >> 17;
}

int top_table_init(struct top_table *t, uint32_t room)
{
	uint32_t slots = 4;

	while (slots < 2 * room)
		slots *= 2;
	*t = (struct top_table){ .room = room, .slot_count = slots, .next = 1 };
	t->keys = calloc(room, sizeof(*t->keys));
	t->used = calloc(room, sizeof(*t->used));
	t->slots = calloc(slots, sizeof(*t->slots));
	if (t->keys && t->used && t->slots)
		return 0;
	top_table_free(t);
	return -ENOMEM;
}

int top_table_copy(struct top_table *to, const struct top_table *from)
{
	int err = top_table_init(to, from->room);

	if (err)
		return err;
	memcpy(to->keys, from->keys, from->room * sizeof(*to->keys));
	memcpy(to->used, from->used, from->room * sizeof(*to->used));
	memcpy(to->slots, from->slots, from->slot_count * sizeof(*to->slots));
	to->count = from->count;
	to->next = from->next;
	return 0;
}

void top_table_free(struct top_table *t)
{
	free(t->keys);
	free(t->used);
	free(t->slots);
	*t = (struct top_table){ 0 };
}

void top_table_clear(struct top_table *t)
{
	memset(t->used, 0, t->room * sizeof(*t->used));
	memset(t->slots, 0, t->slot_count * sizeof(*t->slots));
	t->count = 0;
	t->next = 1;
}

/* The key's slot, or the free one where it belongs. */
static uint32_t slot_of(const struct top_table *t, const struct top_key *key)
{
	uint32_t slot = (uint32_t)hash(key) & (t->slot_count - 1);

	while (t->slots[slot] && memcmp(&t->keys[t->slots[slot]], key, sizeof(*key)) != 0)
		slot = (slot + 1) & (t->slot_count - 1);
	return slot;
}

uint32_t top_table_find(const struct top_table *t, const struct top_key *key)
{
	return t->slots[slot_of(t, key)];
}

uint32_t top_table_put(struct top_table *t, const struct top_key *key, bool *added)
{
	uint32_t slot = slot_of(t, key), number = t->slots[slot];

	*added = false;
	if (number || t->count + 1 >= t->room)
		return number;
	for (number = t->next; t->used[number];)
		number = number + 1 < t->room ? number + 1 : 1;
	t->next = number + 1 < t->room ? number + 1 : 1;
	t->keys[number] = *key;
	t->used[number] = true;
	t->slots[slot] = number;
	t->count++;
	*added = true;
	return number;
}

/* What comes behind it in its run of slots may belong further ahead, and is put in anew. */
void top_table_remove(struct top_table *t, uint32_t number)
{
	uint32_t slot = slot_of(t, &t->keys[number]);

	t->used[number] = false;
	t->slots[slot] = 0;
	t->count--;
	for (slot = (slot + 1) & (t->slot_count - 1); t->slots[slot];
	     slot = (slot + 1) & (t->slot_count - 1)) {
		uint32_t moved = t->slots[slot];

		t->slots[slot] = 0;
		t->slots[slot_of(t, &t->keys[moved])] = moved;
	}
}

uint32_t top_table_sweep(struct top_table *t, bool (*gone)(void *ctx, uint32_t number), void *ctx)
{
	uint32_t before = t->count;

	for (uint32_t i = 1; i < t->room; i++) {
		if (!t->used[i] || !gone(ctx, i))
			continue;
		t->used[i] = false;
		t->count--;
	}
	if (t->count == before)
		return 0;
	memset(t->slots, 0, t->slot_count * sizeof(*t->slots));
	for (uint32_t i = 1; i < t->room; i++)
		if (t->used[i])
			t->slots[slot_of(t, &t->keys[i])] = i;
	return before - t->count;
}
