// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/feed/containers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"

#define ID_SHOWN 12 /* digits, as docker ps shows them */

/* What is unused is zero. */
struct container_id {
	char text[65];
};

int containers_copy(struct containers *to, const struct containers *from)
{
	*to = (struct containers){ .room = from->room, .more = from->more, .failed = from->failed };
	if (!from->room)
		return 0;
	to->names = malloc(from->room * sizeof(*to->names));
	if (!to->names)
		return -ENOMEM;
	memcpy(to->names, from->names, from->room * sizeof(*to->names));
	return keyset_copy(&to->ids, &from->ids);
}

void containers_free(struct containers *c)
{
	keyset_free(&c->ids);
	free(c->names);
	*c = (struct containers){ 0 };
}

/* A record without a name takes none away: it was made before the name was found. */
static void take_name(char *name, size_t size, const char *text)
{
	if (text && *text)
		snprintf(name, size, "%s", text);
}

static void take_names(struct container_names *names, const struct record_container *container)
{
	take_name(names->name, sizeof(names->name), container->name);
	take_name(names->pod, sizeof(names->pod), container->pod);
	take_name(names->namespace, sizeof(names->namespace), container->namespace);
}

uint32_t containers_put(struct containers *c, const struct record_container *container)
{
	struct container_id id = { "" };
	bool added = false;
	size_t number;

	if (!container->id || !*container->id || strlen(container->id) >= sizeof(id.text))
		return 0;
	memcpy(id.text, container->id, strlen(container->id));
	c->ids.key_size = sizeof(id);
	number = keyset_find(&c->ids, &id);
	if (number == KEYSET_NONE) {
		if (c->ids.count == CONTAINERS_MAX) {
			c->more++;
			return 0;
		}
		number = ARRAY_ROOM(c->names, c->ids.count, c->room) ? keyset_put(&c->ids, &id, &added) : KEYSET_NONE;
		if (number == KEYSET_NONE) {
			c->failed = true;
			return 0;
		}
		c->names[number] = (struct container_names){ 0 };
	}
	take_names(&c->names[number], container);
	return (uint32_t)number + 1;
}

static bool is_not_kept(void *ctx, size_t number)
{
	const bool *kept = ctx;

	return !kept[number];
}

void containers_sweep(struct containers *c, const bool kept[CONTAINERS_MAX])
{
	keyset_sweep(&c->ids, is_not_kept, (void *)(uintptr_t)kept);
}

static const char *known(const char *text)
{
	return *text ? text : NULL;
}

struct record_container containers_at(const struct containers *c, uint32_t number)
{
	const struct container_names *names;

	if (!number)
		return (struct record_container){ 0 };
	names = &c->names[number - 1];
	return (struct record_container){ ((const struct container_id *)keyset_at(&c->ids, number - 1))->text,
					  known(names->name), known(names->pod), known(names->namespace) };
}

/* Of a name all that a name may have, of an ID its beginning. */
static int shown(const struct record_container *c)
{
	return c->name ? 128 : ID_SHOWN;
}

bool container_text(const struct record_container *c, char *text, size_t size)
{
	const char *name = c->name ? c->name : c->id;

	*text = '\0';
	if (!name)
		return false;
	if (c->pod && c->namespace)
		snprintf(text, size, "%.63s/%.253s/%.*s", c->namespace, c->pod, shown(c), name);
	else
		snprintf(text, size, "%.*s", shown(c), name);
	return true;
}

const char *container_words(const struct record_container *c, char *text, size_t size)
{
	const char *name = c->name ? c->name : c->id;

	*text = '\0';
	if (!name)
		return text;
	if (c->pod && c->namespace)
		snprintf(text, size, " in container %.*s of pod %.63s/%.253s", shown(c), name, c->namespace, c->pod);
	else
		snprintf(text, size, " in container %.*s", shown(c), name);
	return text;
}
