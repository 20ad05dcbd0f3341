// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
/* Words, names, numbers and addresses of a statement. */
#include "cli/lab/parse_internal.h"
#include "cli/lab/words.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/duration.h"
#include "common/names.h"

#define BLANKS " \t\r"

bool lab_fail(struct lab_cursor *c, const char *found, const char *expected)
{
	if (!*c->error && *found)
		snprintf(c->error, c->size, "%s:%u: found '%.60s', expected %s", c->file, c->line, found,
			 expected);
	else if (!*c->error)
		snprintf(c->error, c->size, "%s:%u: found the end of the line, expected %s", c->file,
			 c->line, expected);
	return false;
}

bool lab_peek_word(const struct lab_cursor *c, char *out, size_t size)
{
	const char *start = c->at + strspn(c->at, BLANKS);
	size_t len = strcspn(start, BLANKS);

	snprintf(out, size, "%.*s", (int)len, start);
	return len != 0;
}

static void skip_word(struct lab_cursor *c)
{
	c->at += strspn(c->at, BLANKS);
	c->at += strcspn(c->at, BLANKS);
}

bool lab_take_word(struct lab_cursor *c, char *out, size_t size, const char *expected)
{
	char word[256];

	if (!lab_peek_word(c, word, sizeof(word)) || strlen(word) >= size)
		return lab_fail(c, word, expected);
	snprintf(out, size, "%s", word);
	skip_word(c);
	return true;
}

bool lab_take_if(struct lab_cursor *c, const char *word)
{
	char next[LAB_WORD_SIZE];

	if (!lab_peek_word(c, next, sizeof(next)) || strcmp(next, word) != 0)
		return false;
	skip_word(c);
	return true;
}

bool lab_take_this(struct lab_cursor *c, const char *word)
{
	char next[LAB_WORD_SIZE] = "";

	if (lab_take_if(c, word))
		return true;
	lab_peek_word(c, next, sizeof(next));
	return lab_fail(c, next, word);
}

bool lab_take_end(struct lab_cursor *c)
{
	char word[256];

	return !lab_peek_word(c, word, sizeof(word)) || lab_fail(c, word, "the end of the line");
}

bool lab_take_choice(struct lab_cursor *c, const char *const *table, int count, int *out,
		     const char *expected)
{
	char word[LAB_WORD_SIZE];

	if (!lab_take_word(c, word, sizeof(word), expected))
		return false;
	*out = name_index(table, count, word, strlen(word));
	return *out >= 0 || lab_fail(c, word, expected);
}

bool lab_take_place(struct lab_cursor *c, enum lab_place *place)
{
	int found;

	if (!lab_take_choice(c, lab_places, LAB_PLACES, &found, "a namespace: a or b"))
		return false;
	*place = (enum lab_place)found;
	return true;
}

/* ---- sockets ---- */

#define A_SOCKET "a socket's name, such as s, c1 or c1..c5"

/* Up to 15 letters, digits and underscores, a letter first. */
static bool is_name(const char *text, size_t len)
{
	bool good = len && len < LAB_NAME_SIZE && isalpha((unsigned char)text[0]);

	for (size_t i = 0; i < len; i++)
		good = good && (isalnum((unsigned char)text[i]) || text[i] == '_');
	return good;
}

/* The number at the end of a name; its stem's length. */
static size_t split_name(const char *name, size_t len, unsigned *number)
{
	size_t stem = len;

	while (stem && isdigit((unsigned char)name[stem - 1]))
		stem--;
	*number = stem < len && len - stem <= 4 ? (unsigned)strtoul(name + stem, NULL, 10) : 0;
	return stem;
}

bool lab_take_range(struct lab_cursor *c, struct lab_range *r)
{
	char word[64] = "";
	const char *dots, *end;
	size_t len, stem, other;

	if (!lab_take_word(c, word, sizeof(word), A_SOCKET))
		return false;
	memset(r, 0, sizeof(*r));
	dots = strstr(word, "..");
	len = dots ? (size_t)(dots - word) : strlen(word);
	if (!is_name(word, len))
		return lab_fail(c, word, A_SOCKET);
	if (!dots) {
		memcpy(r->stem, word, len);
		return true;
	}
	end = dots + 2;
	stem = split_name(word, len, &r->first);
	other = is_name(end, strlen(end)) ? split_name(end, strlen(end), &r->last) : 0;
	memcpy(r->stem, word, stem);
	if (other != stem || strncmp(word, end, stem) != 0 || !r->first || r->last < r->first ||
	    r->last - r->first >= LAB_RANGE_MAX)
		return lab_fail(c, word, "a range of one name, such as c1..c5, of 256 sockets at most");
	return true;
}

unsigned lab_range_count(const struct lab_range *r)
{
	return !*r->stem ? 0 : r->first ? r->last - r->first + 1 : 1;
}

void lab_range_name(const struct lab_range *r, unsigned index, char *out, size_t size)
{
	if (r->first)
		snprintf(out, size, "%s%u", r->stem, r->first + index);
	else
		snprintf(out, size, "%s", r->stem);
}

/* ---- numbers ---- */

bool lab_take_integer(struct lab_cursor *c, int min, int max, int *out, const char *expected)
{
	char word[LAB_WORD_SIZE], *end;
	long value;

	if (!lab_take_word(c, word, sizeof(word), expected))
		return false;
	value = strtol(word, &end, 10);
	if (end == word || *end || value < min || value > max)
		return lab_fail(c, word, expected);
	*out = (int)value;
	return true;
}

bool lab_take_duration(struct lab_cursor *c, uint64_t *ns)
{
	char word[LAB_WORD_SIZE];

	if (!lab_take_word(c, word, sizeof(word), "a duration, such as 500ms"))
		return false;
	return duration_parse(word, ns) == 0 || lab_fail(c, word, "a duration, such as 500ms");
}

static const char *const units[] = {
	[LAB_PLAIN] = "a number, such as 3, 3..5, '>= 3' or '3 or 4'",
	[LAB_OF_MAX] = "what is in the queue and its limit, such as 3/2, '3/2 or 2/2', or 3",
	[LAB_SPAN] = "a duration, such as 100ms, 1s..3s or '>= 1s'",
};

static bool parse_one(const char *text, size_t len, enum lab_unit unit, uint64_t *value)
{
	char copy[LAB_WORD_SIZE], *end;

	if (!len || len >= sizeof(copy) || !isdigit((unsigned char)text[0]))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (unit == LAB_SPAN)
		return duration_parse(copy, value) == 0;
	*value = strtoull(copy, &end, 10);
	return !*end;
}

/* "3" or "3..5" */
static bool parse_span(const char *text, size_t len, enum lab_unit unit, uint64_t *low, uint64_t *high)
{
	const char *dots = memmem(text, len, "..", 2);
	size_t first = dots ? (size_t)(dots - text) : len;

	if (!parse_one(text, first, unit, low))
		return false;
	*high = *low;
	return !dots || (parse_one(dots + 2, len - first - 2, unit, high) && *high >= *low);
}

static bool take_number(struct lab_cursor *c, enum lab_unit unit, struct lab_number *n)
{
	char word[LAB_WORD_SIZE];
	const char *slash;
	size_t len;

	if (!lab_take_word(c, word, sizeof(word), units[unit]))
		return false;
	slash = unit == LAB_OF_MAX ? strchr(word, '/') : NULL;
	len = slash ? (size_t)(slash - word) : strlen(word);
	n->max_low = 0;
	n->max_high = UINT64_MAX;
	if (!parse_span(word, len, unit, &n->low, &n->high) ||
	    (slash && !parse_span(slash + 1, strlen(slash + 1), unit, &n->max_low, &n->max_high)))
		return lab_fail(c, word, units[unit]);
	return true;
}

/* An operator of comparison, and what is left of a number then. */
static bool compare(struct lab_cursor *c, const char *operator, struct lab_number *n)
{
	if (strcmp(operator, ">=") == 0)
		n->high = UINT64_MAX;
	else if (strcmp(operator, "<=") == 0)
		n->low = 0;
	else if (strcmp(operator, ">") == 0)
		n->low++, n->high = UINT64_MAX;
	else if (n->low == 0)
		return lab_fail(c, "< 0", "something that can be");
	else
		n->high = n->low - 1, n->low = 0;
	return true;
}

bool lab_take_numbers(struct lab_cursor *c, enum lab_unit unit, struct lab_numbers *n)
{
	static const char *const operators[] = { ">=", "<=", ">", "<" };

	n->count = 0;
	do {
		const char *operator = NULL;
		struct lab_number *next = &n->choices[n->count];

		if (n->count == LAB_CHOICES)
			return lab_fail(c, "or", "six numbers at most");
		for (size_t i = 0; i < sizeof(operators) / sizeof(*operators) && !operator; i++)
			if (lab_take_if(c, operators[i]))
				operator = operators[i];
		if (!take_number(c, unit, next) || (operator && !compare(c, operator, next)))
			return false;
		n->count++;
	} while (lab_take_if(c, "or"));
	return true;
}

bool lab_numbers_hold(const struct lab_numbers *n, uint64_t value, uint64_t max)
{
	for (size_t i = 0; i < n->count; i++) {
		const struct lab_number *choice = &n->choices[i];

		if (value >= choice->low && value <= choice->high && max >= choice->max_low &&
		    max <= choice->max_high)
			return true;
	}
	return false;
}

/* ---- addresses ---- */

#define AN_ADDRESS "an address: 10.0.0.2:7000, [fd00::2]:7000, or @name of a Unix socket"

static bool parse_port(const char *text, in_port_t *port)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	*port = htons((in_port_t)value);
	return isdigit((unsigned char)*text) && !*end && value <= 65535;
}

static bool parse_inet(const char *text, struct lab_address *a)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&a->addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->addr;
	const char *colon = strrchr(text, ':');
	char host[LAB_ADDRESS_TEXT];
	bool six = text[0] == '[' && colon && colon[-1] == ']';

	if (!colon)
		return false;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - 2 * six, text + six);
	a->addr.ss_family = six ? AF_INET6 : AF_INET;
	a->len = six ? sizeof(*in6) : sizeof(*in);
	return inet_pton(a->addr.ss_family, host, six ? (void *)&in6->sin6_addr : (void *)&in->sin_addr) == 1 &&
	       parse_port(colon + 1, six ? &in6->sin6_port : &in->sin_port);
}

/* Abstract names only: they leave no file behind. */
static bool parse_unix(const char *text, struct lab_address *a)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&a->addr;
	size_t len = strlen(text);

	if (len < 2)
		return false;
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path + 1, text + 1, len - 1);
	a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return true;
}

bool lab_take_address(struct lab_cursor *c, struct lab_address *a)
{
	memset(a, 0, sizeof(*a));
	if (!lab_take_word(c, a->text, sizeof(a->text), AN_ADDRESS))
		return false;
	return (a->text[0] == '@' ? parse_unix(a->text, a) : parse_inet(a->text, a)) ||
	       lab_fail(c, a->text, AN_ADDRESS);
}
