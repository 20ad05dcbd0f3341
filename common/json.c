// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/json.h"

void json_key(struct buf *b, const char *key)
{
	char last = b->len ? b->data[b->len - 1] : '[';

	if (last != '{' && last != '[')
		buf_lit(b, ",");
	if (!key)
		return;
	buf_lit(b, "\"");
	buf_str(b, key);
	buf_lit(b, "\":");
}

void json_object(struct buf *b, const char *key)
{
	json_key(b, key);
	buf_lit(b, "{");
}

void json_array(struct buf *b, const char *key)
{
	json_key(b, key);
	buf_lit(b, "[");
}

void json_number(struct buf *b, const char *key, uint64_t value)
{
	json_key(b, key);
	buf_u64(b, value);
}

void json_signed(struct buf *b, const char *key, int64_t value)
{
	json_key(b, key);
	if (value < 0)
		buf_lit(b, "-");
	buf_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void json_known(struct buf *b, const char *key, bool known, uint64_t value)
{
	if (known)
		json_number(b, key, value);
	else
		json_null(b, key);
}

void json_known_signed(struct buf *b, const char *key, bool known, int64_t value)
{
	if (known)
		json_signed(b, key, value);
	else
		json_null(b, key);
}

void json_bool(struct buf *b, const char *key, bool value)
{
	json_key(b, key);
	buf_str(b, value ? "true" : "false");
}

void json_string(struct buf *b, const char *key, const char *value)
{
	json_key(b, key);
	if (value)
		buf_json_str(b, value, SIZE_MAX);
	else
		buf_lit(b, "null");
}

void json_null(struct buf *b, const char *key)
{
	json_string(b, key, NULL);
}
