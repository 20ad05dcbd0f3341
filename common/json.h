/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * JSON that we write ourselves. A member of an object, or an element of an array (`key` is NULL), gets its comma by
 * itself: the first one has none. The last byte decides, so neither has the first one in an empty buffer. The caller
 * that opened an object or an array appends its end.
 */
#ifndef TCPSHAKE_JSON_H
#define TCPSHAKE_JSON_H

#include "common/buf.h"

void json_key(struct buf *b, const char *key); /* the value follows */
void json_object(struct buf *b, const char *key);
void json_array(struct buf *b, const char *key);
void json_number(struct buf *b, const char *key, uint64_t value);
void json_signed(struct buf *b, const char *key, int64_t value);
void json_known(struct buf *b, const char *key, bool known, uint64_t value); /* null, if it is not */
void json_known_signed(struct buf *b, const char *key, bool known, int64_t value);
void json_bool(struct buf *b, const char *key, bool value);
void json_string(struct buf *b, const char *key, const char *value); /* NULL is null */
void json_null(struct buf *b, const char *key);

#endif
