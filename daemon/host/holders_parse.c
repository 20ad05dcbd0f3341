// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/host/holders.h"

#include <ctype.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/addr.h"

struct cursor {
	const char *at, *end;
};

static bool take(struct cursor *c, char wanted)
{
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

/* So many digits, as the kernel pads a number to. */
static bool take_hex(struct cursor *c, int digits, uint32_t *value)
{
	uint32_t sum = 0;

	for (int i = 0; i < digits; i++, c->at++) {
		if (c->at == c->end || !isxdigit((unsigned char)*c->at))
			return false;
		sum <<= 4;
		if (isdigit((unsigned char)*c->at))
			sum += (uint32_t)(*c->at - '0');
		else
			sum += (uint32_t)((*c->at | 0x20) - 'a' + 10);
	}
	*value = sum;
	return true;
}

/* A number with spaces before it. */
static bool take_decimal(struct cursor *c, uint64_t *value)
{
	const char *start;

	while (take(c, ' '))
		;
	start = c->at;
	for (*value = 0; c->at < c->end && isdigit((unsigned char)*c->at); c->at++)
		if (__builtin_mul_overflow(*value, 10u, value) ||
		    __builtin_add_overflow(*value, (uint64_t)(*c->at - '0'), value))
			return false;
	return c->at > start;
}

/*
 * The kernel prints each 32-bit word of an address as a number of the host's: in memory it is in
 * network byte order again.
 */
static bool take_end(struct cursor *c, uint16_t family, uint8_t *addr, uint32_t *port)
{
	size_t words = family == AF_INET ? 1 : 4;
	uint32_t word;

	memcpy(addr, addr_any_ipv4, 12);
	for (size_t i = 4 - words; i < 4; i++) {
		if (!take_hex(c, 8, &word))
			return false;
		memcpy(addr + 4 * i, &word, sizeof(word));
	}
	return take(c, ':') && take_hex(c, 4, port) && take(c, ' ');
}

enum holders_line holders_parse_line(const char *line, size_t len, uint16_t family,
				     struct holder *h)
{
	struct cursor c = { line, line + len };
	struct holder parsed = *h;
	uint8_t remote[16];
	uint32_t port, remote_port, state, sent, queued, number;
	uint64_t slot, uid, timeout;

	if (!take_decimal(&c, &slot) || !take(&c, ':') || !take(&c, ' ') ||
	    !take_end(&c, family, parsed.addr, &port) ||
	    !take_end(&c, family, remote, &remote_port) || !take_hex(&c, 2, &state) ||
	    !take(&c, ' '))
		return HOLDERS_NO_SOCKET;
	if (state != TCP_LISTEN)
		return HOLDERS_OTHER_STATE;
	/* tx_queue:rx_queue, timer:when, retransmits, uid, timeout, inode */
	if (!take_hex(&c, 8, &sent) || !take(&c, ':') || !take_hex(&c, 8, &queued) ||
	    !take(&c, ' ') || !take_hex(&c, 2, &number) || !take(&c, ':') ||
	    !take_hex(&c, 8, &number) || !take(&c, ' ') || !take_hex(&c, 8, &number) ||
	    !take_decimal(&c, &uid) || !take_decimal(&c, &timeout) ||
	    !take_decimal(&c, &parsed.inode) || !take(&c, ' '))
		return HOLDERS_NO_SOCKET;
	parsed.family = family;
	parsed.port = (uint16_t)port;
	parsed.accept_len = queued;
	parsed.uid = (uint32_t)uid;
	*h = parsed;
	return HOLDERS_LISTENER;
}

/* "Name:" comes before it, but a newline in a name is escaped there. */
bool holders_parse_uid(const char *status, uint32_t *uid)
{
	static const char key[] = "\nUid:\t";
	const char *at = strstr(status, key);
	unsigned int value;

	if (!at || sscanf(at + sizeof(key) - 1, "%u\t", &value) != 1)
		return false;
	*uid = value;
	return true;
}

/* Its number in each namespace from that of /proc on, its own last. */
bool holders_parse_init(const char *status)
{
	static const char key[] = "\nNSpid:\t";
	const char *at = strstr(status, key), *end;

	if (!at)
		return false;
	at += sizeof(key) - 1;
	end = at + strcspn(at, "\n");
	return end - at >= 1 && end[-1] == '1' && (end - at == 1 || end[-2] == '\t');
}
