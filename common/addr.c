// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/addr.h"

#include <arpa/inet.h>

const uint8_t addr_any_ipv4[16] = { [10] = 0xff, [11] = 0xff }, addr_any_ipv6[16];

int addr_parse(const char *text, uint8_t *addr)
{
	uint8_t ipv4[4];

	if (inet_pton(AF_INET, text, ipv4) != 1)
		return inet_pton(AF_INET6, text, addr) == 1 ? AF_INET6 : 0;
	memcpy(addr, addr_any_ipv4, 12);
	memcpy(addr + 12, ipv4, sizeof(ipv4));
	return AF_INET;
}

bool addr_share_prefix(const uint8_t *a, const uint8_t *b, unsigned prefix)
{
	unsigned bytes = prefix / 8, bits = prefix % 8;

	return memcmp(a, b, bytes) == 0 && (!bits || ((a[bytes] ^ b[bytes]) & (0xff00U >> bits) & 0xff) == 0);
}

bool addr_is_wildcard(const uint8_t *addr)
{
	return memcmp(addr, addr_any_ipv4, 16) == 0 || memcmp(addr, addr_any_ipv6, 16) == 0;
}

int addr_fit(const uint8_t *listening, bool v6only, const uint8_t *addr)
{
	if (memcmp(listening, addr, 16) == 0)
		return 3;
	if (!addr_is_wildcard(listening))
		return 0;
	if (addr_is_ipv4(listening) == addr_is_ipv4(addr))
		return 2;
	return addr_is_ipv4(addr) && !v6only ? 1 : 0;
}

/* Each octet in decimal, and how long that is. */
#define OCTET(n)                                                                                   \
	{ '0' + ((n) >= 100 ? (n) / 100 : (n) >= 10 ? (n) / 10 : (n)),                             \
	  '0' + ((n) >= 100 ? (n) / 10 % 10 : (n) % 10), '0' + (n) % 10,                           \
	  (n) >= 100 ? 3 : (n) >= 10 ? 2 : 1 }
#define OCTETS_4(n) OCTET(n), OCTET(n + 1), OCTET(n + 2), OCTET(n + 3)
#define OCTETS_16(n) OCTETS_4(n), OCTETS_4(n + 4), OCTETS_4(n + 8), OCTETS_4(n + 12)
#define OCTETS_64(n) OCTETS_16(n), OCTETS_16(n + 16), OCTETS_16(n + 32), OCTETS_16(n + 48)
static const char octets[256][4] = { OCTETS_64(0), OCTETS_64(64), OCTETS_64(128), OCTETS_64(192) };

/* Writes four bytes: what comes next overwrites those beyond the octet. */
static char *put_octet(char *p, uint8_t value)
{
	memcpy(p, octets[value], 4);
	return p + octets[value][3];
}

static char *put_group(char *p, uint16_t value)
{
	for (int shift = 12; shift >= 0; shift -= 4)
		if (value >> shift || !shift)
			*p++ = "0123456789abcdef"[(value >> shift) & 15];
	return p;
}

/* The first of the longest runs of two or more zero groups, as RFC 5952 4.2 wants it. */
static int longest_zero_run(const uint16_t *group, int *length)
{
	int best = -1;

	*length = 1;
	for (int i = 0, run; i < 8; i += run + 1) {
		for (run = 0; i + run < 8 && !group[i + run]; run++)
			;
		if (run > *length) {
			best = i;
			*length = run;
		}
	}
	return best;
}

void addr_format(struct buf *b, const uint8_t *addr)
{
	char text[40], *p = text;
	uint16_t group[8];
	int skip, length;

	if (addr_is_ipv4(addr)) {
		for (int i = 12; i < 16; i++) {
			if (i > 12)
				*p++ = '.';
			p = put_octet(p, addr[i]);
		}
		buf_mem(b, text, (size_t)(p - text));
		return;
	}
	for (int i = 0; i < 8; i++)
		group[i] = (uint16_t)(addr[2 * i] << 8 | addr[2 * i + 1]);
	skip = longest_zero_run(group, &length);
	for (int i = 0; i < 8; i++) {
		if (i == skip) {
			*p++ = ':';
			*p++ = ':';
			i += length - 1;
			continue;
		}
		if (i && p[-1] != ':')
			*p++ = ':';
		p = put_group(p, group[i]);
	}
	buf_mem(b, text, (size_t)(p - text));
}
