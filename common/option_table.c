// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/option_table.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/filter.h"
#include "common/names.h"

#define LONG_BASE 256 /* above every letter: getopt's value of a row is LONG_BASE + its index */

/* The first row of that name: another one is the same option of other views. */
static size_t first_of_name(const struct option_table *table, const char *name)
{
	size_t i = 0;

	while (strcmp(table->rows[i].name, name) != 0)
		i++;
	return i;
}

void options_begin(struct option_parser *p, const struct option_table *table)
{
	char *shorts = p->shorts;

	*p = (struct option_parser){ .table = table };
	*shorts++ = ':'; /* distinguishes a missing value from an unknown option */
	for (size_t i = 0; i < table->count; i++) {
		const struct option_row *row = &table->rows[i];

		p->longs[i] = (struct option){
			.name = row->name,
			.has_arg = row->arg ? required_argument : no_argument,
			.val = LONG_BASE + (int)first_of_name(table, row->name),
		};
		if (!row->letter)
			continue;
		*shorts++ = row->letter;
		if (row->arg)
			*shorts++ = ':';
	}
	opterr = 0;
}

const struct option_row *options_next(struct option_parser *p, int argc, char **argv)
{
	p->found = getopt_long(argc, argv, p->shorts, p->longs, NULL);
	if (p->found == -1 || p->found == ':' || p->found == '?')
		return NULL;
	return options_find(p->table, p->found);
}

const struct option_row *options_find(const struct option_table *table, int value)
{
	for (size_t i = 0; i < table->count; i++)
		if (value == LONG_BASE + (int)i || (value && value == table->rows[i].letter))
			return &table->rows[i];
	return NULL;
}

const struct option_row *options_of_view(const struct option_table *table, const struct option_row *row, unsigned view)
{
	for (size_t i = first_of_name(table, row->name); i < table->count; i++)
		if (strcmp(table->rows[i].name, row->name) == 0 && options_apply(&table->rows[i], view))
			return &table->rows[i];
	return row;
}

bool options_has_twin(const struct option_table *table, const struct option_row *row)
{
	size_t named = 0;

	for (size_t i = 0; i < table->count; i++)
		named += strcmp(table->rows[i].name, row->name) == 0;
	return named > 1;
}

/* All words of a list with commas, or the one word, as a mask of 1 << index. */
static int take_words(const struct option_row *row, const char *value, uint32_t *mask,
		      struct option_fault *fault)
{
	uint32_t found = 0;

	for (const char *word = value;; word++) {
		size_t len = row->kind == OPTION_WORDS ? strcspn(word, ",") : strlen(word);
		int index = name_index(row->words, row->word_count, word, len);

		if (index < 0) {
			fault->word = word;
			fault->len = (int)len;
			return -1;
		}
		found |= 1U << index;
		word += len;
		if (!*word)
			break;
	}
	*mask = found;
	return 0;
}

int options_set(struct options *o, const struct option_row *row, const char *value,
		struct option_fault *fault)
{
	void *at = (char *)o + row->at;
	uint32_t mask;

	*fault = (struct option_fault){ .word = value, .len = value ? (int)strlen(value) : 0 };
	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)at = true;
		return 0;
	case OPTION_WORD:
		if (take_words(row, value, &mask, fault) < 0)
			return -1;
		*(unsigned *)at = (unsigned)__builtin_ctz(mask);
		return 0;
	case OPTION_WORDS:
		if (take_words(row, value, at, fault) < 0)
			return -1;
		return row->set ? row->set(o, value) : 0;
	case OPTION_FILTER:
		return filter_set(at, row->name, value, fault->text, sizeof(fault->text));
	case OPTION_VALUE:
		break;
	}
	return row->set(o, value);
}

const char *options_words(const struct option_row *row, char *text, size_t size)
{
	bool list = row->kind == OPTION_WORDS;
	int left = 0, used = snprintf(text, size, "%s", list ? "a list of " : "");

	for (int i = 0; i < row->word_count; i++)
		left += row->words[i] != NULL;
	for (int i = 0; i < row->word_count && used < (int)size; i++) {
		if (!row->words[i])
			continue;
		left--;
		used += snprintf(text + used, size - (size_t)used, "%s%s", row->words[i],
				 left > 1 ? ", " : !left ? "" : list ? " and " : " or ");
	}
	return text;
}

bool options_apply(const struct option_row *row, unsigned view)
{
	return !row->views || !view || row->views & view;
}

void options_print_help(const struct option_table *table, unsigned view, int width)
{
	for (const struct option_row *row = table->rows; row < table->rows + table->count; row++) {
		char left[64], letter[8] = "   ";
		const char *help = row->help;

		if (!help || !options_apply(row, view))
			continue;
		if (row->letter)
			snprintf(letter, sizeof(letter), "-%c,", row->letter);
		snprintf(left, sizeof(left), "%s --%s%s%s", letter, row->name, row->arg ? " " : "",
			 row->arg ? row->arg : "");
		for (;;) {
			int len = (int)strcspn(help, "\n");

			printf("  %-*s %.*s\n", width, left, len, help);
			if (!help[len])
				break;
			help += len + 1;
			left[0] = '\0';
		}
	}
}
