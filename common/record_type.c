// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/record_type.h"

#include <stdbool.h>
#include <stdio.h>
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

#define HELP_COLUMNS 57

/* Append to the last line of `text` what still fits there, else to a new one. */
static void put_word(char *text, size_t size, const char *word, const char *after)
{
	const char *line = strrchr(text, '\n');
	size_t used = strlen(text), columns = used - (line ? (size_t)(line + 1 - text) : 0);
	bool fits = columns + 1 + strlen(word) + strlen(after) <= HELP_COLUMNS;

	snprintf(text + used, size - used, "%s%s%s", !used ? "" : fits ? " " : "\n", word, after);
}

static void put_types(char *text, size_t size, uint32_t types, const char *last)
{
	for (int type = 0; type < RECORD_TYPES; type++)
		if (types & 1U << type)
			put_word(text, size, record_type_names[type], types >> type > 1 ? "," : last);
}

const char *record_types_help(char *text, size_t size, const char *title)
{
	static const char *const and_if[] = { "and", "if", "asked", "for" };

	*text = '\0';
	put_word(text, size, title, ":");
	put_types(text, size, STREAM_RECORDS & ~OPTIONAL_RECORDS, ",");
	for (size_t i = 0; i < sizeof(and_if) / sizeof(and_if[0]); i++)
		put_word(text, size, and_if[i], "");
	put_types(text, size, OPTIONAL_RECORDS, "");
	return text;
}
