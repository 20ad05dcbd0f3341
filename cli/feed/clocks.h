/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How far the clocks of hosts are apart, from connections that both their hosts saw. Pure.
 *
 * The SYN leaves the client before its SYN-ACK leaves the server, that before the client is established, and that
 * before the server is. So each connection gives bounds in both directions, as a question of NTP does: the clock
 * of the server is ahead by their middle, and that is wrong by at most half of what is between them. Of many
 * connections the ones with the narrowest bounds count, and of these the median.
 */
#ifndef TCPSHAKE_CLOCKS_H
#define TCPSHAKE_CLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/feed/parsed_record.h"

/* Hosts beyond these are taken to have the same clock as the first. */
#define CLOCK_HOSTS 64

/* Of one host, compared with host 0. */
struct clock_reading {
	bool known;
	int64_t ahead_ns; /* of host 0; negative: behind */
	uint64_t bound_ns; /* it may be wrong by so much, if neither clock was set meanwhile */
	uint64_t connections; /* that both hosts saw */
};

struct clocks;

/* NULL if memory is out. */
struct clocks *clocks_new(void);
void clocks_free(struct clocks *c);

/* Take a record; of use are established handshakes with `conn`, `wall_ns` and `host_number`. */
void clocks_add(struct clocks *c, const struct record *r);

/* Of a host compared with host 0, over others if need be; not known: nothing compares them. */
struct clock_reading clocks_read(struct clocks *c, uint32_t host);
/* The part of it that is a correction: 0 if it is not known. */
int64_t clocks_ahead(struct clocks *c, uint32_t host);

#endif
