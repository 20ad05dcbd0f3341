/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What joins all that is known of one connection. */
#ifndef TCPSHAKE_CONNECTION_H
#define TCPSHAKE_CONNECTION_H

#include <stdint.h>

/*
 * A hash of both endpoints in either order, and the client's initial sequence number, so that client
 * and server get the same. Addresses: 16 bytes, v4-mapped; ports: host byte order. With a
 * `client_isn` of 0 it is that of the two ends.
 */
uint64_t connection_hash(const uint8_t *local_addr, uint16_t local_port, const uint8_t *remote_addr,
			 uint16_t remote_port, uint32_t client_isn);

#endif
