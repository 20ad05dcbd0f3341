/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Removes what has expired from a hash map of the kernel side. */
#ifndef TCPSHAKE_EXPIRE_H
#define TCPSHAKE_EXPIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPIRE_KEY_MAX 64
#define EXPIRE_VALUE_MAX 64

/* `fd` is the map's; sizes are in bytes, those of values a multiple of 8. */
void expire(int fd, size_t key_size, size_t value_size,
	    bool (*expired)(const void *value, uint64_t now_ns), uint64_t now_ns);

#endif
