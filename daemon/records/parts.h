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
void put_text(struct buf *b, const char *text); /* NULL: null */
void put_hash(struct buf *b, uint64_t hash); /* 16 digits */

/*
 * A member, with the comma before it: its key (a literal), which of the above writes its value, and the value; or a
 * word of our own, which needs no escapes.
 */
#define put_member(b, key, put, ...) (buf_lit(b, ",\"" key "\":"), put(b, __VA_ARGS__))
#define put_word(b, key, word) (buf_lit(b, ",\"" key "\":\""), buf_str(b, word), buf_lit(b, "\""))

/* Members, with the comma before them. */
/* Both ends: the family, the network namespace, the local end and the remote one. */
void put_ends(struct buf *b, uint32_t netns, const uint8_t *local_addr, uint16_t local_port,
	      const uint8_t *remote_addr, uint16_t remote_port);
#define put_ends_of(b, event)                                                                                    \
	put_ends(b, (event)->header.netns, (event)->local_addr, (event)->local_port, (event)->remote_addr,           \
		 (event)->remote_port)
void put_family(struct buf *b, const uint8_t *addr);
void put_accept_queue(struct buf *b, uint32_t len, uint32_t max);

/* A member without the comma. */
void put_count(struct buf *b, const char *key, uint64_t value);

#endif
