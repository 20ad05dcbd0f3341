/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses of 16 bytes in network byte order, IPv4 as v4-mapped IPv6. Pure. */
#ifndef TCPSHAKE_ADDR_H
#define TCPSHAKE_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/buf.h"

static inline bool addr_is_ipv4(const uint8_t *addr)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(addr, mapped, sizeof(mapped)) == 0;
}

/* All zeros, or v4-mapped 0.0.0.0. */
bool addr_is_wildcard(const uint8_t *addr);

/* Append it as text: dotted quad for v4-mapped, else RFC 5952. */
void addr_format(struct buf *b, const uint8_t *addr);

#endif
