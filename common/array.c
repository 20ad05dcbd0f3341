// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "common/array.h"

#include <stdlib.h>
#include <string.h>

bool array_room(void *items, size_t count, size_t *room, size_t size)
{
	size_t more = *room ? 2 * *room : 32;
	void *array;

	if (count < *room)
		return true;
	while (more <= count)
		more *= 2;
	memcpy(&array, items, sizeof(array));
	array = reallocarray(array, more, size);
	if (!array)
		return false;
	memcpy(items, &array, sizeof(array));
	*room = more;
	return true;
}

void *array_add(void *items, size_t *count, size_t *room, size_t size)
{
	char *array;

	if (!array_room(items, *count, room, size))
		return NULL;
	memcpy(&array, items, sizeof(array));
	return memset(array + (*count)++ * size, 0, size);
}
