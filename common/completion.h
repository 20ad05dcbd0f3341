/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shell completion, printed from the tables that parse the command line: what a program takes is
 * written once.
 */
#ifndef TCPSHAKE_COMPLETION_H
#define TCPSHAKE_COMPLETION_H

#include <stdbool.h>
#include <stdio.h>

#include "common/option_table.h"

/* A command of the program; a program without commands is one, with an empty name. */
struct completion_command {
	const char *name, *summary;
	bool files; /* it takes files as operands */
	unsigned view; /* the bit of its options in the table; 0: all */
};

/* For OPTION_WORD: [0] is none. */
enum { COMPLETION_NONE, COMPLETION_BASH, COMPLETION_ZSH, COMPLETION_SHELLS };
extern const char *const completion_shells[COMPLETION_SHELLS];

/*
 * Print what completes `program` in a shell of the above. The first command is what it does
 * without one.
 */
void completion_print(FILE *to, unsigned shell, const char *program, const struct option_table *table,
		      const struct completion_command *commands, size_t count);

#endif
