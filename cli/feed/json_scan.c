// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/json_scan.h"

#include <string.h>

#define DEPTH_MAX 8
#define DIGITS_MAX 18 /* fit into 64 bits */
#define NUMBER_MAX 40 /* characters; longer ones are not every parser's */

bool json_take(struct json_scan *s, const char *text, size_t len)
{
	if ((size_t)(s->end - s->at) < len || memcmp(s->at, text, len) != 0)
		return false;
	s->at += len;
	return true;
}

bool json_take_string(struct json_scan *s, const char **text, size_t *len)
{
	const char *p = s->at + 1;

	if (json_next(s) != '"')
		return false;
	while (p < s->end && *p != '"' && *p != '\\' && (unsigned char)*p >= ' ')
		p++;
	if (p == s->end || *p != '"')
		return false;
	*text = s->at + 1;
	*len = (size_t)(p - *text);
	s->at = p + 1;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* What may follow a number. */
static bool ends(char c)
{
	return c == ',' || c == '}' || c == ']';
}

bool json_take_u64(struct json_scan *s, uint64_t *value)
{
	const char *p = s->at;
	uint64_t number = 0;

	while (p < s->end && is_digit(*p) && p - s->at < DIGITS_MAX)
		number = 10 * number + (uint64_t)(*p++ - '0');
	if (p == s->at || p == s->end || !ends(*p) || (*s->at == '0' && p > s->at + 1))
		return false;
	s->at = p;
	*value = number;
	return true;
}

static bool skip_digits(struct json_scan *s)
{
	const char *start = s->at;

	while (s->at < s->end && is_digit(*s->at))
		s->at++;
	return s->at > start;
}

static bool skip_number(struct json_scan *s)
{
	const char *start = s->at;

	json_take_char(s, '-');
	if (!json_take_char(s, '0') && !skip_digits(s))
		return false;
	if (json_take_char(s, '.') && !skip_digits(s))
		return false;
	if (json_take_char(s, 'e') || json_take_char(s, 'E')) {
		if (!json_take_char(s, '-'))
			json_take_char(s, '+');
		if (!skip_digits(s))
			return false;
	}
	return s->at - start <= NUMBER_MAX && ends(json_next(s));
}

static bool skip_value(struct json_scan *s, int depth);

static bool skip_members(struct json_scan *s, char close, int depth)
{
	const char *key;
	size_t len;

	s->at++;
	if (json_take_char(s, close))
		return true;
	do {
		if (close == '}' && !(json_take_string(s, &key, &len) && json_take_char(s, ':')))
			return false;
		if (!skip_value(s, depth + 1))
			return false;
	} while (json_take_char(s, ','));
	return json_take_char(s, close);
}

static bool skip_value(struct json_scan *s, int depth)
{
	const char *text;
	size_t len;

	switch (json_next(s)) {
	case '"':
		return json_take_string(s, &text, &len);
	case '{':
		return depth < DEPTH_MAX && skip_members(s, '}', depth);
	case '[':
		return depth < DEPTH_MAX && skip_members(s, ']', depth);
	case 't':
		return json_take(s, "true", 4);
	case 'f':
		return json_take(s, "false", 5);
	case 'n':
		return json_take(s, "null", 4);
	default:
		return skip_number(s);
	}
}

bool json_skip(struct json_scan *s)
{
	return skip_value(s, 0);
}
