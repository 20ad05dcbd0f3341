/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The pieces that records share, appended as JSON. */
#ifndef TCPSHAKE_PARTS_H
#define TCPSHAKE_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "daemon/queues/listeners.h"

/* Values. Addresses: 16 bytes, v4-mapped; ports: host byte order. */
void put_endpoint(struct buf *b, const uint8_t *addr, uint16_t port);
void put_ns(struct buf *b, uint64_t ns); /* NS_UNKNOWN: null */
void put_bool(struct buf *b, bool value);
/* `comm`: COMM_LEN bytes, and a NUL if it is shorter. */
void put_process(struct buf *b, uint32_t pid, uint32_t uid, const char *comm);
void put_owner(struct buf *b, const struct listener_owner *owner); /* NULL: null */

/* Members, with the comma before them. */
void put_family(struct buf *b, const uint8_t *addr);
void put_accept_queue(struct buf *b, uint32_t len, uint32_t max);

/* A member without the comma. */
void put_count(struct buf *b, const char *key, uint64_t value);

#endif
