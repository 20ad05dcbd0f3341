// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/duration.h"

#include <stdio.h>
#include <string.h>

struct unit {
	const char *suffix;
	uint64_t ns;
};

static const struct unit parse_units[] = {
	{ "", 1000000000 },    { "ns", 1 },	      { "us", 1000 },
	{ "\u00b5s", 1000 },   { "ms", 1000000 },     { "s", 1000000000 },
	{ "m", 60000000000 },  { "h", 3600000000000 },
};

/* Days only so that even UINT64_MAX keeps to eight characters. */
static const struct unit format_units[] = {
	{ "ns", 1 },	      { "us", 1000 },	     { "ms", 1000000 },
	{ "s", 1000000000 },  { "m", 60000000000 },  { "h", 3600000000000 },
	{ "d", 86400000000000 },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t unit_ns(const char *suffix)
{
	for (size_t i = 0; i < COUNT(parse_units); i++)
		if (strcmp(parse_units[i].suffix, suffix) == 0)
			return parse_units[i].ns;
	return 0;
}

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The digits at `p` as a fraction of `unit`; what is less than a nanosecond is dropped. */
static uint64_t fraction_ns(const char *p, uint64_t unit)
{
	uint64_t digits = 0, scale = 1;

	/* 10^15 is finer than a nanosecond of an hour, and the products fit 128 bits. */
	for (; is_digit(*p) && scale < 1000000000000000; p++, scale *= 10)
		digits = digits * 10 + (uint64_t)(*p - '0');
	return (uint64_t)((unsigned __int128)digits * unit / scale);
}

int duration_parse(const char *text, uint64_t *ns)
{
	uint64_t whole = 0, unit;
	const char *fraction = NULL, *p = text;
	unsigned __int128 total;

	if (!is_digit(*p))
		return -1;
	for (; is_digit(*p); p++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
			return -1;
	if (*p == '.') {
		fraction = ++p;
		if (!is_digit(*p))
			return -1;
		while (is_digit(*p))
			p++;
	}
	unit = unit_ns(p);
	if (!unit)
		return -1;
	total = (unsigned __int128)whole * unit;
	if (fraction)
		total += fraction_ns(fraction, unit);
	if (total > UINT64_MAX)
		return -1;
	*ns = (uint64_t)total;
	return 0;
}

/* Three digits, `decimals` of them behind the point. */
static void print(unsigned scaled, int decimals, const char *suffix, char *out, size_t size)
{
	if (decimals == 2)
		snprintf(out, size, "%u.%02u %s", scaled / 100, scaled % 100, suffix);
	else if (decimals == 1)
		snprintf(out, size, "%u.%u %s", scaled / 10, scaled % 10, suffix);
	else
		snprintf(out, size, "%u %s", scaled, suffix);
}

const char *duration_format(uint64_t ns, char *out, size_t size)
{
	static const unsigned powers[] = { 1, 10, 100 };
	size_t last = COUNT(format_units) - 1;

	for (size_t u = 0; u <= last; u++) {
		const struct unit *unit = &format_units[u];

		/* Rounded before the unit is chosen: 999.6 us are "1.00 ms", not "1000 us". */
		for (int decimals = unit->ns == 1 ? 0 : 2; decimals >= 0; decimals--) {
			unsigned __int128 scaled = (unsigned __int128)ns * powers[decimals];

			scaled = (scaled + unit->ns / 2) / unit->ns;
			if (scaled < 1000 || (u == last && !decimals)) {
				print((unsigned)scaled, decimals, unit->suffix, out, size);
				return out;
			}
		}
	}
	return out;
}
