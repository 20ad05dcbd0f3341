/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A connection as one of its sides sees it. NAT gives the other side other addresses and ports, but leaves the
 * client's initial sequence number as it is. Pure.
 */
#ifndef TCPSHAKE_SIGHTING_H
#define TCPSHAKE_SIGHTING_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"

struct ends {
	uint8_t client_addr[16];
	uint8_t server_addr[16];
	uint16_t client_port;
	uint16_t server_port;
};

struct sighting {
	enum role side;
	struct ends ends;
	uint64_t key; /* of the ends, in either order */
	uint32_t client_isn;
	uint64_t from_ns, to_ns; /* when it was seen, or NS_UNKNOWN: from its first SYN, or SYN-ACK */
};

/* The other side of a connection, if NAT hides it: where that really was, and the connection's name, which both carry. */
struct peer {
	uint8_t addr[16];
	uint16_t port;
	uint64_t conn;
};

uint64_t ends_key(const struct ends *ends);
uint64_t ends_conn(const struct ends *ends, uint32_t client_isn);

/* Of an event; `e` has both ends. The side's own is the local one. */
#define sighting_of(e, its_side) \
	sighting_make(its_side, (e)->local_addr, (e)->local_port, (e)->remote_addr, (e)->remote_port, (e)->client_isn)

struct sighting sighting_make(enum role side, const uint8_t *local_addr, uint16_t local_port,
			      const uint8_t *remote_addr, uint16_t remote_port, uint32_t client_isn);

/* Are both of the same IP version? NAT changes all else. */
bool ends_alike(const struct ends *client, const struct ends *server);
/* … and is one end, or the client's address or port, as it was? */
bool ends_kept(const struct ends *client, const struct ends *server);

#endif
