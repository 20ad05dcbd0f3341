// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/clock.h"

#include <errno.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define FAR_AWAY_S (100LL * 365 * 86400) /* the clock may be set to any time, but not past this by accident */

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint32_t clock_tick_ns(void)
{
	struct timespec ts = { .tv_nsec = 10000000 };

	clock_getres(CLOCK_MONOTONIC_COARSE, &ts); /* which goes on with the ticks */
	return (uint32_t)ts.tv_nsec;
}

int64_t clock_real_offset_ns(void)
{
	uint64_t before = read_clock(CLOCK_MONOTONIC), real = read_clock(CLOCK_REALTIME);
	uint64_t after = read_clock(CLOCK_MONOTONIC);

	return (int64_t)(real - (before + (after - before) / 2));
}

/* A timer that is never to expire, and is cancelled by a step of its clock. */
static int arm(int watch)
{
	struct timespec now;
	struct itimerspec when = {};

	clock_gettime(CLOCK_REALTIME, &now);
	when.it_value.tv_sec = now.tv_sec + FAR_AWAY_S;
	return timerfd_settime(watch, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL) ? -errno : 0;
}

int clock_watch(void)
{
	int watch = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC), err;

	if (watch < 0)
		return -errno;
	err = arm(watch);
	if (err)
		close(watch);
	return err ? err : watch;
}

bool clock_was_set(int watch)
{
	uint64_t expirations;
	ssize_t n = read(watch, &expirations, sizeof(expirations));

	if (n < 0 && errno != ECANCELED)
		return false;
	arm(watch);
	return true;
}

static void format_second(struct clock_cache *cache, int64_t second)
{
	time_t t = (time_t)second;
	char text[32];
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.", &tm);
	memcpy(cache->text, text, sizeof(cache->text));
	cache->second = second;
}

void clock_format(struct clock_cache *cache, struct buf *b, int64_t real_ns)
{
	int64_t second = real_ns / (int64_t)NSEC_PER_SEC;
	uint32_t ns = (uint32_t)(real_ns % (int64_t)NSEC_PER_SEC);

	if (second != cache->second || !cache->text[0])
		format_second(cache, second);
	buf_mem(b, cache->text, sizeof(cache->text));
	buf_digits(b, ns, 9);
	buf_lit(b, "Z");
}
