// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/states/port_range.h"

#include <stdio.h>
#include <stdlib.h>

#define TIME_WAIT_MS 60000 /* TCP_TIMEWAIT_LEN, a constant of the kernel */
#define WINDOW_MS 10000 /* those that began in it make the rate */
#define WINDOW_MIN_MS 1000

static int by_end(const void *a_taken, const void *b_taken)
{
	const struct port_taken *a = a_taken, *b = b_taken;

	return a->ends_ms < b->ends_ms ? -1 : a->ends_ms > b->ends_ms;
}

static uint64_t age_ms(const struct port_taken *t)
{
	return t->ends_ms < TIME_WAIT_MS ? TIME_WAIT_MS - t->ends_ms : 0;
}

/* Where fewer seconds have passed since the first one, the rate is of these. */
static uint64_t window_ms(uint64_t oldest_ms)
{
	return oldest_ms < WINDOW_MIN_MS ? WINDOW_MIN_MS : oldest_ms < WINDOW_MS ? oldest_ms : WINDOW_MS;
}

/*
 * When the last port is taken, if as many are taken in each second as now and each is free again after its time: from now
 * on until the first of them end, which is the longest that their number grows.
 */
static uint64_t runs_out_ms(const struct ports_left *left, const struct port_taken *waits, size_t count)
{
	double per_ms = left->new_per_s / 1000, room = (double)left->usable - (double)left->used;

	for (size_t ended = 0; ended <= count; ended++) {
		double at = (room + (double)ended) / per_ms, until = ended < count ? waits[ended].ends_ms : TIME_WAIT_MS;

		if (at <= until && at <= TIME_WAIT_MS)
			return at > 0 ? (uint64_t)at : 0;
	}
	return UINT64_MAX;
}

void ports_forecast(struct ports_left *left, bool reuses, struct port_taken *taken, size_t count)
{
	size_t waits = 0, recent = 0;
	uint64_t window;

	for (size_t i = 0; i < count; i++)
		if (taken[i].time_wait)
			taken[waits++] = taken[i];
	if (!left->known || !waits)
		return;
	qsort(taken, waits, sizeof(*taken), by_end);
	window = window_ms(age_ms(&taken[0]));
	while (recent < waits && age_ms(&taken[waits - 1 - recent]) <= window)
		recent++;
	left->new_per_s = (double)recent * 1000 / (double)window;
	if (recent && !reuses)
		left->runs_out_ms = runs_out_ms(left, taken, waits);
}

const char *ports_rate_text(const struct ports_left *left, char *out, size_t size)
{
	snprintf(out, size, left->new_per_s < 10 ? "%.1f" : "%.0f", left->new_per_s);
	return out;
}
