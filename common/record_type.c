// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/record_type.h"

#include <string.h>

#include "common/names.h"

#define RECORD_TYPE_NAME(type, name, choice) [RECORD_##type] = name,
const char *const record_type_names[RECORD_TYPES] = { RECORD_TYPE_ROWS(RECORD_TYPE_NAME) };

#define RECORD_STREAM_NAME(type, name, choice) \
	[RECORD_##type] = RECORD_##choice == RECORD_FIXED ? NULL : name,
const char *const record_stream_names[RECORD_TYPES] = { RECORD_TYPE_ROWS(RECORD_STREAM_NAME) };

enum record_type record_type_of(const char *name, size_t len)
{
	int type = name_index(record_type_names, RECORD_TYPES, name, len);

	return type < 0 ? RECORD_OTHER : (enum record_type)type;
}

void record_type_open(struct buf *b, enum record_type type)
{
	buf_lit(b, "{\"v\":");
	buf_u64(b, RECORD_VERSION);
	buf_lit(b, ",\"type\":\"");
	buf_str(b, record_type_names[type]);
	buf_lit(b, "\"");
}

const char *record_types_parse(const char *list, uint32_t *mask)
{
	uint32_t types = 0;

	for (const char *word = list;; word++) {
		size_t len = strcspn(word, ",");
		uint32_t type = 1U << record_type_of(word, len);

		if (!(type & STREAM_RECORDS))
			return word;
		types |= type;
		word += len;
		if (!*word)
			break;
	}
	*mask = types;
	return NULL;
}
