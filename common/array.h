/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Arrays that grow: `items` is the address of the pointer to the first, `room` how many fit, `size` that of one. */
#ifndef TCPSHAKE_ARRAY_H
#define TCPSHAKE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/* Make room for one more than `count`, which is not zeroed. False if memory is out: then all is as it was. */
bool array_room(void *items, size_t count, size_t *room, size_t size);
/* One more at the end, zeroed. NULL if memory is out: then all is as it was. */
void *array_add(void *items, size_t *count, size_t *room, size_t size);

#define ARRAY_ROOM(items, count, room) array_room(&(items), count, &(room), sizeof(*(items)))
#define ARRAY_ADD(items, count, room) array_add(&(items), &(count), &(room), sizeof(*(items)))

#endif
