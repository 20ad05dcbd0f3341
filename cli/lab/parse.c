// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/lab/parse.h"
#include "cli/lab/parse_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A_STATEMENT "a statement: a: or b: and a call, sysctl, nft, delay, wait, repeat, expect or require"

/* To the end of the line. */
static bool take_rest(struct lab_cursor *c, const char **rest, const char *expected)
{
	*rest = c->at + strspn(c->at, " \t");
	c->at = *rest + strlen(*rest);
	return **rest || lab_fail(c, "", expected);
}

static bool parse_sysctl(struct lab_cursor *c, struct lab_statement *s)
{
	return lab_take_place(c, &s->place) &&
	       lab_take_word(c, s->name, sizeof(s->name), "a sysctl, such as net.core.somaxconn") &&
	       take_rest(c, &s->rest, "the value of the sysctl");
}

static bool parse_nft(struct lab_cursor *c, struct lab_statement *s)
{
	return lab_take_place(c, &s->place) && take_rest(c, &s->rest, "what nft is to be given");
}

static bool parse_delay(struct lab_cursor *c, struct lab_statement *s)
{
	return lab_take_place(c, &s->place) && lab_take_duration(c, &s->duration_ns) && lab_take_end(c);
}

static bool parse_wait(struct lab_cursor *c, struct lab_statement *s)
{
	return lab_take_duration(c, &s->duration_ns) && lab_take_end(c);
}

static bool parse_in_a(struct lab_cursor *c, struct lab_statement *s)
{
	s->place = LAB_A;
	return lab_parse_call(c, &s->call);
}

static bool parse_in_b(struct lab_cursor *c, struct lab_statement *s)
{
	s->place = LAB_B;
	return lab_parse_call(c, &s->call);
}

static const struct {
	const char *word;
	enum lab_kind kind;
	bool (*parse)(struct lab_cursor *c, struct lab_statement *s);
} kinds[] = {
	{ "a:", LAB_CALL, parse_in_a },		{ "b:", LAB_CALL, parse_in_b },
	{ "sysctl", LAB_SYSCTL, parse_sysctl }, { "nft", LAB_NFT, parse_nft },
	{ "delay", LAB_DELAY, parse_delay },	{ "wait", LAB_WAIT, parse_wait },
	{ "expect", LAB_EXPECT, lab_parse_expect },
	{ "require", LAB_REQUIRE, lab_parse_expect },
};

static bool parse_statement(struct lab_cursor *c, struct lab_statement *s)
{
	char word[LAB_WORD_SIZE] = "";
	int times = 1;

	if (lab_take_if(c, "repeat") &&
	    !lab_take_integer(c, 1, 1000, &times, "how many times, from 1 to 1000"))
		return false;
	s->repeat = (unsigned)times;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (!lab_take_if(c, kinds[i].word))
			continue;
		s->kind = kinds[i].kind;
		return kinds[i].parse(c, s);
	}
	lab_peek_word(c, word, sizeof(word));
	return lab_fail(c, word, A_STATEMENT);
}

static bool check(struct lab_cursor *c, struct lab_known *known, struct lab_statement *s)
{
	if (s->kind == LAB_EXPECT || s->kind == LAB_REQUIRE)
		return lab_check_expect(c, known, s);
	if (s->kind != LAB_CALL)
		return true;
	if (s->repeat > 1 && (*s->call.made.stem || s->call.code == LAB_CLOSE))
		return lab_fail(c, "repeat", "a call that makes no socket and closes none");
	return lab_check_call(c, known, s);
}

/* The statement on a line; false if it is wrong. An empty line has none. */
static bool parse_line(struct lab_cursor *c, struct lab_known *known, char *line,
		       struct lab_scenario *s)
{
	struct lab_statement *next = &s->statements[s->count];

	line += strspn(line, " \t\r");
	/* Whose the text is teaches nothing. */
	if (!*line || strncmp(line, "# SPDX-", 7) == 0)
		return true;
	*next = (struct lab_statement){ .line = c->line, .text = line, .kind = LAB_REMARK, .repeat = 1 };
	c->at = line;
	if (*line != '#' && (!parse_statement(c, next) || !check(c, known, next)))
		return false;
	s->count++;
	return true;
}

static size_t count_lines(const char *text)
{
	size_t lines = 1;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

static bool parse_all(struct lab_scenario *s, struct lab_cursor *c)
{
	struct lab_known known = { 0 };
	char *line = s->text, *end;
	bool good = true;

	for (; good && line; line = end) {
		size_t len;

		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		for (len = strlen(line); len && strchr(" \t\r", line[len - 1]); len--)
			line[len - 1] = '\0';
		c->line++;
		good = parse_line(c, &known, line, s);
	}
	free(known.sockets);
	return good;
}

int lab_parse(const char *file, const char *text, struct lab_scenario *s, char *error, size_t size)
{
	struct lab_cursor c = { .file = file, .error = error, .size = size };

	*error = '\0';
	*s = (struct lab_scenario){ .text = strdup(text) };
	s->statements = calloc(count_lines(text), sizeof(*s->statements));
	if (s->text && s->statements && parse_all(s, &c))
		return 0;
	if (!s->text || !s->statements)
		snprintf(error, size, "%s: out of memory", file);
	lab_scenario_free(s);
	return -1;
}

void lab_scenario_free(struct lab_scenario *s)
{
	free(s->text);
	free(s->statements);
	*s = (struct lab_scenario){ 0 };
}
