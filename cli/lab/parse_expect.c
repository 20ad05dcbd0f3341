// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* "expect c1..c3 ESTABLISHED": what is to be, of sockets, counters and records. */
#include "cli/lab/parse_internal.h"
#include "cli/lab/words.h"

#include <stdio.h>
#include <string.h>

#include "common/names.h"
#include "common/record_type.h"

#define A_STATE "a state such as ESTABLISHED, an error such as ECONNREFUSED, ok, BLOCKED, accept_queue, " \
	"syn_queue, took, returned, value, local_port or peer_port"

static bool is_outcome(const char *word)
{
	return name_index(lab_states, LAB_STATES, word, strlen(word)) >= 0 || lab_errno_find(word) ||
	       strcmp(word, "ok") == 0 || strcmp(word, "BLOCKED") == 0;
}

static bool take_words(struct lab_cursor *c, struct lab_expect *e)
{
	do {
		char *word = e->words[e->word_count];

		if (e->word_count == LAB_CHOICES)
			return lab_fail(c, "or", "six words at most");
		if (!lab_take_word(c, word, LAB_WORD_SIZE, A_STATE))
			return false;
		if (!is_outcome(word))
			return lab_fail(c, word, A_STATE);
		e->word_count++;
	} while (lab_take_if(c, "or"));
	return true;
}

static bool take_of_sockets(struct lab_cursor *c, struct lab_expect *e)
{
	static const enum lab_unit units[LAB_SUBJECTS_OF_SOCKETS] = {
		[LAB_ACCEPT_QUEUE] = LAB_OF_MAX,
		[LAB_TOOK] = LAB_SPAN,
	};
	struct lab_cursor ahead = *c;
	char word[LAB_WORD_SIZE];
	int subject;

	if (!lab_take_range(c, &e->of))
		return false;
	ahead = *c;
	if (!lab_take_word(&ahead, word, sizeof(word), A_STATE))
		return false;
	subject = name_index(lab_subjects, LAB_SUBJECTS_OF_SOCKETS, word, strlen(word));
	if (subject < 0) {
		e->subject = LAB_STATE;
		return take_words(c, e);
	}
	*c = ahead;
	e->subject = (enum lab_subject)subject;
	return lab_take_numbers(c, units[subject], &e->numbers);
}

/* "3 of c1..c5" */
static bool take_some(struct lab_cursor *c, struct lab_expect *e)
{
	struct lab_cursor ahead = *c;
	char scrap[256] = "";

	ahead.error = scrap;
	ahead.size = sizeof(scrap);
	if (!lab_take_numbers(&ahead, LAB_PLAIN, &e->many) || !lab_take_if(&ahead, "of"))
		return true; /* it begins with a socket */
	e->some = true;
	c->at = ahead.at;
	return true;
}

static bool take_counter(struct lab_cursor *c, struct lab_expect *e)
{
	e->subject = LAB_COUNTER;
	return lab_take_word(c, e->counter, sizeof(e->counter), "a counter's name, such as ListenOverflows") &&
	       lab_take_numbers(c, LAB_PLAIN, &e->numbers);
}

/* "field value" or "field=value" */
static bool take_field(struct lab_cursor *c, struct lab_field *f)
{
	char *equals;

	if (!lab_take_word(c, f->name, sizeof(f->name), "a field of the record"))
		return false;
	equals = strchr(f->name, '=');
	if (!equals)
		return lab_take_word(c, f->value, sizeof(f->value), "the field's value");
	snprintf(f->value, sizeof(f->value), "%s", equals + 1);
	*equals = '\0';
	return (*f->name && *f->value) || lab_fail(c, f->name, "field=value");
}

static bool take_record(struct lab_cursor *c, struct lab_expect *e)
{
	char word[LAB_WORD_SIZE];
	const char *expected = "a record's type: handshake, overflow, reset or retransmit";
	static const char *const types[] = { "handshake", "overflow", "reset", "retransmit" };
	int type;

	e->subject = LAB_RECORD;
	if (!lab_take_choice(c, types, sizeof(types) / sizeof(*types), &type, expected))
		return false;
	snprintf(e->record, sizeof(e->record), "%s", types[type]);
	while (lab_peek_word(c, word, sizeof(word)) && strcmp(word, "within") != 0) {
		if (e->field_count == LAB_FIELDS)
			return lab_fail(c, word, "six fields at most");
		if (!take_field(c, &e->fields[e->field_count++]))
			return false;
	}
	return true;
}

static bool take_subject(struct lab_cursor *c, struct lab_statement *s)
{
	struct lab_expect *e = &s->expect;
	struct lab_cursor ahead = *c;
	char first[LAB_WORD_SIZE] = "";

	if (lab_take_if(c, "record"))
		return take_record(c, e);
	if (lab_take_if(c, "no")) {
		e->absent = true;
		return lab_take_this(c, "record") && take_record(c, e);
	}
	lab_peek_word(c, first, sizeof(first));
	if (name_index(lab_places, LAB_PLACES, first, strlen(first)) >= 0 && lab_take_place(&ahead, &s->place) &&
	    lab_take_if(&ahead, "counter")) {
		*c = ahead;
		return take_counter(c, e);
	}
	return take_some(c, e) && take_of_sockets(c, e);
}

bool lab_parse_expect(struct lab_cursor *c, struct lab_statement *s)
{
	return take_subject(c, s) &&
	       (!lab_take_if(c, "within") || lab_take_duration(c, &s->expect.within_ns)) &&
	       lab_take_end(c);
}
