/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sizes as people write them. Pure. */
#ifndef TCPSHAKE_SIZE_H
#define TCPSHAKE_SIZE_H

#include <stdint.h>

/* "64M": a number of bytes, of KiB, MiB, GiB or TiB. 0, or -1 if it is none, or more than 1 PiB. */
int size_parse(const char *text, uint64_t *bytes);

#endif
