/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Options of a command line: one table of rows parses them, prints --help and completes them.
 * What a program says about a wrong option is its own.
 */
#ifndef TCPSHAKE_OPTION_TABLE_H
#define TCPSHAKE_OPTION_TABLE_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

/* Where the daemon serves, and the CLI looks for it. */
#define DEFAULT_SOCKET "/run/tcpshake/tcpshaked.sock"

#define OPTIONS_MAX 48

struct options; /* each program's own */

enum option_kind {
	OPTION_FLAG, /* no value: sets the bool at `at` */
	OPTION_WORD, /* one of `words`: its index becomes the unsigned at `at` */
	OPTION_WORDS, /* some, with commas: a mask of 1 << index becomes the uint32_t at `at` */
	OPTION_FILTER, /* a criterion of the struct filter at `at` */
	OPTION_VALUE, /* any other: for `set` */
};

/* What shells suggest. */
enum option_complete {
	COMPLETE_ANY, /* nothing */
	COMPLETE_FILES,
	COMPLETE_WORD,
	COMPLETE_LIST, /* words with commas between */
};

struct option_row {
	enum option_kind kind;
	char letter; /* of the short form, or 0 */
	const char *name; /* without dashes */
	const char *arg; /* what the value is called; NULL: there is none */
	const char *help; /* one line or more; NULL: hidden */
	size_t at; /* in struct options */
	unsigned views; /* a bit for each view that has it; 0: all */
	/* 0, or -1: the value is wrong. Of OPTION_WORDS: what else is to be done, or NULL. */
	int (*set)(struct options *o, const char *value);
	const char *expected; /* of OPTION_VALUE, as the program's message has it */
	enum option_complete complete;
	const char *const *words; /* may have holes */
	int word_count;
	const char *also; /* one more word to complete, or NULL */
};

/* A row takes one word of a table, or several. */
#define OPTION_TAKES(list) \
	.complete = COMPLETE_WORD, .words = list, .word_count = sizeof(list) / sizeof((list)[0])
#define OPTION_LISTS(list) \
	.complete = COMPLETE_LIST, .words = list, .word_count = sizeof(list) / sizeof((list)[0])

struct option_table {
	const struct option_row *rows;
	size_t count; /* at most OPTIONS_MAX */
};

struct option_parser {
	const struct option_table *table;
	struct option longs[OPTIONS_MAX + 1];
	char shorts[2 * OPTIONS_MAX + 2];
	int found; /* after the last option: -1, or ':' or '?' of getopt_long(3) */
};

/* Why a value is wrong. */
struct option_fault {
	const char *word; /* the part that is, `len` bytes */
	int len;
	char text[256]; /* of OPTION_FILTER: in words */
};

void options_begin(struct option_parser *p, const struct option_table *table);
/* The next option, its value in `optarg`; NULL at the end, or where there is none such. */
const struct option_row *options_next(struct option_parser *p, int argc, char **argv);
/* The row of what getopt_long(3) returned or left in `optopt`, or NULL. */
const struct option_row *options_find(const struct option_table *table, int value);
/* The row of the same name that a view has; `row` itself if it has none. */
const struct option_row *options_of_view(const struct option_table *table, const struct option_row *row, unsigned view);
/* Does another row have the same name? Then it takes other words in other views. */
bool options_has_twin(const struct option_table *table, const struct option_row *row);
/* Take a value over. 0, or -1: it is wrong. */
int options_set(struct options *o, const struct option_row *row, const char *value,
		struct option_fault *fault);

/* The words of a row as a sentence has them: "a, b or c", or "a list of a, b and c". */
const char *options_words(const struct option_row *row, char *text, size_t size);

/* Does a view (a bit; 0: any) have a row? */
bool options_apply(const struct option_row *row, unsigned view);
/* Print the options of a view; `width` is that of their column. */
void options_print_help(const struct option_table *table, unsigned view, int width);

#endif
