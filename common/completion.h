/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shell completion, printed from the tables that parse the command line: what a program takes is
 * written once.
 */
#ifndef TCPSHAKE_COMPLETION_H
#define TCPSHAKE_COMPLETION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum completion_kind {
	COMPLETE_ANY, /* nothing to suggest */
	COMPLETE_FILES,
	COMPLETE_WORD,
	COMPLETE_LIST, /* words with commas between */
};

/* What may be given as an option's value. */
struct completion_value {
	const char *option; /* its long name; NULL ends a table */
	enum completion_kind kind;
	const char *const *words;
	size_t count;
	const char *also; /* one more word, or NULL */
};

struct completion_option {
	const char *name; /* without dashes */
	char letter; /* or 0 */
	const char *metavar; /* NULL if it takes no value */
	const char *help; /* of which the first line is shown */
	const struct completion_value *value; /* NULL: COMPLETE_ANY */
};

/* A command of the program; a program without commands is one, with an empty name. */
struct completion_command {
	const char *name, *summary;
	bool files; /* it takes files as operands */
	const struct completion_option *options;
	size_t count;
};

/* NULL if there is none. */
const struct completion_value *completion_find(const struct completion_value *table,
					       const char *option);

/*
 * Print what completes `program` in `shell`: "bash" or "zsh". The first command is what it does
 * without one. False if there is no such shell here.
 */
bool completion_print(FILE *to, const char *shell, const char *program,
		      const struct completion_command *commands, size_t count);

#endif
