// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "common/moment.h"

#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/duration.h"

/* So many digits, and no more than `max`; `*text` is after them. False if there is something else. */
static bool take_number(const char **text, int digits, int max, int *value)
{
	*value = 0;
	for (int i = 0; i < digits; i++, (*text)++) {
		if (**text < '0' || **text > '9')
			return false;
		*value = 10 * *value + (**text - '0');
	}
	return *value <= max;
}

static bool take(const char **text, const char *any)
{
	bool there = **text && strchr(any, **text);

	*text += there;
	return there;
}

static bool take_date(const char **text, struct tm *tm)
{
	int year, month;

	if (!take_number(text, 4, 9999, &year) || !take(text, "-") || !take_number(text, 2, 12, &month) ||
	    !take(text, "-") || !take_number(text, 2, 31, &tm->tm_mday))
		return false;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	return year >= 1970 && month && tm->tm_mday;
}

/* HH:MM, and seconds with a fraction if they are there. */
static bool take_time(const char **text, struct tm *tm, uint64_t *fraction_ns)
{
	uint64_t unit = NSEC_PER_SEC / 10;
	int digit;

	if (!take_number(text, 2, 23, &tm->tm_hour) || !take(text, ":") || !take_number(text, 2, 59, &tm->tm_min))
		return false;
	if (!take(text, ":"))
		return true;
	if (!take_number(text, 2, 60, &tm->tm_sec))
		return false;
	if (!take(text, "."))
		return true;
	for (; **text >= '0' && **text <= '9'; unit /= 10) {
		take_number(text, 1, 9, &digit);
		*fraction_ns += (uint64_t)digit * unit;
	}
	return true;
}

/* The rest: Z, an offset, or nothing, which is local time. */
static bool take_zone(const char *text, struct tm *tm, time_t *seconds)
{
	int sign = *text == '-' ? -1 : 1, hours = 0, minutes = 0;

	if (!*text) {
		tm->tm_isdst = -1;
		*seconds = mktime(tm);
		return true;
	}
	if (!take(&text, "Zz") &&
	    !(take(&text, "+-") && take_number(&text, 2, 23, &hours) && take(&text, ":") &&
	      take_number(&text, 2, 59, &minutes)))
		return false;
	*seconds = timegm(tm) - sign * (hours * 3600 + minutes * 60);
	return !*text;
}

/* Any of its nanoseconds is one of 64 bits. */
static bool fits(time_t seconds)
{
	return seconds >= 0 && (uint64_t)seconds < UINT64_MAX / NSEC_PER_SEC;
}

static int parse_point(const char *text, uint64_t now_ns, uint64_t *ns)
{
	time_t now = (time_t)(now_ns / NSEC_PER_SEC), seconds;
	uint64_t fraction = 0;
	struct tm tm;

	localtime_r(&now, &tm);
	tm.tm_sec = 0;
	if (strlen(text) > strlen("2026-11-20") && text[4] == '-' && (!take_date(&text, &tm) || !take(&text, "T ")))
		return -1;
	if (!take_time(&text, &tm, &fraction) || !take_zone(text, &tm, &seconds) || !fits(seconds))
		return -1;
	*ns = (uint64_t)seconds * NSEC_PER_SEC + fraction;
	return 0;
}

int moment_parse(const char *text, uint64_t now_ns, uint64_t *ns)
{
	uint64_t ago;

	if (duration_parse(text, &ago) != 0)
		return parse_point(text, now_ns, ns);
	if (ago >= now_ns)
		return -1;
	*ns = now_ns - ago;
	return 0;
}

const char *moment_stamp(uint64_t ns, char out[MOMENT_STAMP_SIZE])
{
	time_t seconds = (time_t)(ns / NSEC_PER_SEC);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(out, MOMENT_STAMP_SIZE, "%Y%m%dT%H%M%SZ", &tm);
	return out;
}

bool moment_of_stamp(const char *text, uint64_t *ns)
{
	struct tm tm = { 0 };
	int year, month;
	time_t seconds;

	if (!take_number(&text, 4, 9999, &year) || !take_number(&text, 2, 12, &month) ||
	    !take_number(&text, 2, 31, &tm.tm_mday) || !take(&text, "T") || !take_number(&text, 2, 23, &tm.tm_hour) ||
	    !take_number(&text, 2, 59, &tm.tm_min) || !take_number(&text, 2, 60, &tm.tm_sec) || !take(&text, "Z"))
		return false;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	seconds = timegm(&tm);
	*ns = (uint64_t)seconds * NSEC_PER_SEC;
	return fits(seconds);
}
