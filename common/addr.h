/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses of 16 bytes in network byte order, IPv4 as v4-mapped IPv6. Pure. */
#ifndef TCPSHAKE_ADDR_H
#define TCPSHAKE_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/buf.h"

/* 0.0.0.0, whose first twelve bytes each IPv4 address has; and ::. */
extern const uint8_t addr_any_ipv4[16], addr_any_ipv6[16];

static inline bool addr_is_ipv4(const uint8_t *addr)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }; /* here, so that it is no load */

	return memcmp(addr, mapped, sizeof(mapped)) == 0;
}

/* From text: AF_INET, AF_INET6, or 0 if it is no address. */
int addr_parse(const char *text, uint8_t *addr);
/* Are the first `prefix` bits of two the same? */
bool addr_share_prefix(const uint8_t *a, const uint8_t *b, unsigned prefix);

/* All zeros, or v4-mapped 0.0.0.0. */
bool addr_is_wildcard(const uint8_t *addr);

/*
 * How well a listener's address fits what comes to `addr`: 0 not at all, 1 the other family's wildcard, which takes it
 * unless it is for IPv6 only, 2 its own family's, 3 exactly.
 */
int addr_fit(const uint8_t *listening, bool v6only, const uint8_t *addr);

/* Append it as text: dotted quad for v4-mapped, else RFC 5952. */
void addr_format(struct buf *b, const uint8_t *addr);

#endif
