// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/top/draw/numbers.h"
#include "cli/top/model/query.h"

#include <stdio.h>
#include <time.h>

#include "common/clock.h"

const char *top_number(uint64_t n, unsigned digits, char *out, size_t size)
{
	static const char units[] = " kMGTPE";
	unsigned unit = 0;
	uint64_t limit = 1;

	for (unsigned i = 0; i < digits; i++)
		limit *= 10;
	if (n < limit) {
		snprintf(out, size, "%llu", (unsigned long long)n);
		return out;
	}
	/* Cut, not rounded: it never says more than there was. */
	for (limit /= 10; n >= limit && unit < 6; unit++)
		n /= 1000;
	snprintf(out, size, "%llu%c", (unsigned long long)n, units[unit]);
	return out;
}

const char *top_rate(uint64_t n, double seconds, char *out, size_t size)
{
	double rate = seconds > 0 ? (double)n / seconds : 0;

	if (!n)
		snprintf(out, size, "0/s");
	else if (rate < 0.095)
		snprintf(out, size, "<0.1/s");
	else if (rate < 9.95)
		snprintf(out, size, "%.1f/s", rate);
	else if (rate < 9999.5)
		snprintf(out, size, "%.0f/s", rate);
	else if (rate < 99950)
		snprintf(out, size, "%.1fk/s", rate / 1e3);
	else if (rate < 999500)
		snprintf(out, size, "%.0fk/s", rate / 1e3);
	else
		snprintf(out, size, "%.1fM/s", rate / 1e6);
	return out;
}

const char *top_age(uint64_t from_ns, uint64_t now_ns, char *out, size_t size)
{
	uint64_t s = now_ns > from_ns ? (now_ns - from_ns) / NSEC_PER_SEC : 0;

	if (!s)
		snprintf(out, size, "now");
	else
		snprintf(out, size, s < 100 ? "%llus" : s < 6000 ? "%llum" : "%lluh",
			 (unsigned long long)(s < 100 ? s : s < 6000 ? s / 60 : s / 3600));
	return out;
}

const char *top_clock(const struct top_model *m, uint64_t mono_ns, bool millis, char *out,
		      size_t size)
{
	int64_t wall = top_wall_ns(m, mono_ns);
	time_t seconds = (time_t)(wall / (int64_t)NSEC_PER_SEC);
	struct tm tm;
	size_t len;

	if (wall < 0 || !localtime_r(&seconds, &tm)) {
		snprintf(out, size, "-");
		return out;
	}
	len = strftime(out, size, "%H:%M:%S", &tm);
	if (millis)
		snprintf(out + len, size - len, ".%03d",
			 (int)(wall % (int64_t)NSEC_PER_SEC / 1000000));
	return out;
}
