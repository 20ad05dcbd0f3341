// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/top/model/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int top_paths_init(struct top_paths *p)
{
	int err = keyset_init(&p->table, sizeof(struct top_key), TOP_PATHS_MAX - 1);

	p->texts = calloc(TOP_PATHS_MAX, sizeof(*p->texts));
	return err ? err : p->texts ? 0 : -ENOMEM;
}

int top_paths_copy(struct top_paths *to, const struct top_paths *from)
{
	int err = keyset_copy(&to->table, &from->table) | containers_copy(&to->containers, &from->containers);

	memcpy(to->container, from->container, sizeof(to->container));
	to->texts = calloc(TOP_PATHS_MAX, sizeof(*to->texts));
	if (err || !to->texts)
		return err ? err : -ENOMEM;
	for (uint32_t i = 0; i < TOP_PATHS_MAX; i++) {
		to->texts[i] = from->texts[i] ? strdup(from->texts[i]) : NULL;
		if (from->texts[i] && !to->texts[i])
			return -ENOMEM;
	}
	return 0;
}

void top_paths_free(struct top_paths *p)
{
	for (uint32_t i = 0; p->texts && i < TOP_PATHS_MAX; i++)
		free(p->texts[i]);
	free(p->texts);
	p->texts = NULL;
	keyset_free(&p->table);
	containers_free(&p->containers);
}

/* The path itself or, if it is longer, a hash of it, its length and its end, which is what differs. */
static struct top_key key_of(const char *path)
{
	struct top_key key = { .words = { 0 } };
	size_t len = strlen(path), rest = sizeof(key.text) - 16;
	uint64_t hash = 0xcbf29ce484222325ULL;

	if (len < sizeof(key.text)) {
		memcpy(key.text, path, len);
		return key;
	}
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)path[i]) * 0x100000001b3ULL;
	key.words[0] = hash;
	key.words[1] = len;
	memcpy(key.text + 16, path + len - rest, rest);
	return key;
}

uint16_t top_paths_put(struct top_paths *p, const char *path)
{
	struct top_key key;
	uint32_t number;
	bool added;

	if (!path)
		return TOP_OTHER;
	key = key_of(path);
	number = top_table_put(&p->table, &key, &added);
	if (!added)
		return (uint16_t)number;
	free(p->texts[number]);
	p->texts[number] = strdup(path);
	p->container[number] = 0;
	return (uint16_t)number;
}

const char *top_paths_text(const struct top_paths *p, uint16_t number)
{
	return number == TOP_OTHER ? NULL : p->texts[number];
}

void top_paths_set_container(struct top_paths *p, uint16_t number, const struct record_container *container)
{
	if (number == TOP_OTHER || !container->id)
		return;
	p->container[number] = containers_put(&p->containers, container);
}

bool top_paths_container(const struct top_paths *p, uint16_t number, char *text, size_t size)
{
	const struct record_container known = containers_at(&p->containers, p->container[number]);

	return container_text(&known, text, size);
}

void top_paths_follow(const struct top_paths *p, uint16_t newer, uint16_t *cgroup, bool *several)
{
	if (newer == TOP_OTHER)
		return;
	if (*cgroup != TOP_OTHER && p->container[*cgroup] != p->container[newer])
		*several = true;
	if (*cgroup == TOP_OTHER || p->container[newer])
		*cgroup = newer;
}

bool top_paths_are_full(const struct top_paths *p)
{
	return p->table.count == p->table.room;
}

static bool is_unmarked(void *ctx, size_t number)
{
	const bool *marked = ctx;

	return !marked[number + 1];
}

void top_paths_sweep(struct top_paths *p, const bool marked[TOP_PATHS_MAX])
{
	bool kept[CONTAINERS_MAX] = { 0 };

	keyset_sweep(&p->table, is_unmarked, (void *)(uintptr_t)marked);
	for (uint32_t i = 1; i < TOP_PATHS_MAX; i++)
		if (top_table_has(&p->table, i) && p->container[i])
			kept[p->container[i] - 1] = true;
	containers_sweep(&p->containers, kept);
}
