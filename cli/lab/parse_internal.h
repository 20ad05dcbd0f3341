/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The parser's halves: words and numbers (parse_words.c), calls, expectations, and what joins them (parse.c). */
#ifndef TCPSHAKE_LAB_PARSE_INTERNAL_H
#define TCPSHAKE_LAB_PARSE_INTERNAL_H

#include "cli/lab/parse.h"

/* A line, and how far it is read. */
struct lab_cursor {
	const char *file;
	unsigned line;
	const char *at;
	char *error; /* of the first that is wrong */
	size_t size;
};

/*
 * All return false after a message if the line has something else there. `expected` completes
 * "found X, expected …".
 */
bool lab_fail(struct lab_cursor *c, const char *found, const char *expected);
bool lab_take_word(struct lab_cursor *c, char *out, size_t size, const char *expected);
bool lab_take_end(struct lab_cursor *c);
bool lab_take_place(struct lab_cursor *c, enum lab_place *place);
bool lab_take_range(struct lab_cursor *c, struct lab_range *r);
bool lab_take_integer(struct lab_cursor *c, int min, int max, int *out, const char *expected);
bool lab_take_duration(struct lab_cursor *c, uint64_t *ns);
bool lab_take_address(struct lab_cursor *c, struct lab_address *a);
bool lab_take_choice(struct lab_cursor *c, const char *const *table, int count, int *out,
		     const char *expected);

/* How a number of an expectation is written: 3, or 3/4 of a queue, or 100ms. */
enum lab_unit { LAB_PLAIN, LAB_OF_MAX, LAB_SPAN };
/* "3", "3..5", ">= 3", "3 or 4". */
bool lab_take_numbers(struct lab_cursor *c, enum lab_unit unit, struct lab_numbers *n);

/* The next word, without taking it; false at the end of the line. */
bool lab_peek_word(const struct lab_cursor *c, char *out, size_t size);
/* Take the next word if it is this one. */
bool lab_take_if(struct lab_cursor *c, const char *word);
bool lab_take_this(struct lab_cursor *c, const char *word);

/* What follows "a:" or "b:". */
bool lab_parse_call(struct lab_cursor *c, struct lab_call *call);
/* What follows "expect". */
bool lab_parse_expect(struct lab_cursor *c, struct lab_statement *s);

/* The sockets of a scenario so far. */
struct lab_known {
	struct lab_known_socket {
		char name[LAB_NAME_SIZE];
		enum lab_place place;
		bool open;
	} *sockets;
	size_t count, room;
};

/* Does a call use what was made before, where it was made? Notes what it makes. */
bool lab_check_call(struct lab_cursor *c, struct lab_known *known, struct lab_statement *s);
bool lab_check_expect(struct lab_cursor *c, const struct lab_known *known,
		      const struct lab_statement *s);

#endif
