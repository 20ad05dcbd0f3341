/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Arrays of the kernel side that this process has in its own memory, so that no system call is needed to use them. */
#ifndef TCPSHAKE_MAPPED_H
#define TCPSHAKE_MAPPED_H

#include <stddef.h>

/* The first `size` bytes of an array that allows it (BPF_F_MMAPABLE), to read and write; NULL and errno. */
void *mapped_open(int map, size_t size);
void mapped_close(void *memory, size_t size); /* NULL-safe */

#endif
