// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* clock: a watch for steps of the wall clock. That it learns of one is up to the kernel; nobody sets the clock here. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"

/* What the kernel says of the timer: is it armed, and for when? */
static void expect_armed(int watch)
{
	struct itimerspec when;

	assert_int_equal(timerfd_gettime(watch, &when), 0);
	assert_true(when.it_value.tv_sec > 50LL * 365 * 86400);
	assert_int_equal(when.it_interval.tv_sec, 0);
}

/* The flags that it is armed with, of which only CANCEL_ON_SET makes a step known. */
static void expect_cancelled_by_a_step(int watch)
{
	char path[64], line[128];
	unsigned int clock = 0, flags = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", watch);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "clockid: %u", &clock);
		sscanf(line, "settime flags: %o", &flags);
	}
	fclose(f);
	assert_int_equal(clock, 0); /* CLOCK_REALTIME */
	assert_int_equal(flags, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
}

static void test_no_step(void **state)
{
	int watch = clock_watch();
	struct pollfd readable = { .fd = watch, .events = POLLIN };

	(void)state;
	assert_true(watch >= 0);
	assert_int_equal(poll(&readable, 1, 50), 0);
	assert_false(clock_was_set(watch));
	expect_armed(watch);
	expect_cancelled_by_a_step(watch);
	close(watch);
}

/* One that expired after all was set past its time; it watches on. */
static void test_past_its_time(void **state)
{
	struct itimerspec soon = { .it_value.tv_nsec = 1 };
	int watch = clock_watch();
	struct pollfd readable = { .fd = watch, .events = POLLIN };

	(void)state;
	assert_int_equal(timerfd_settime(watch, 0, &soon, NULL), 0);
	assert_int_equal(poll(&readable, 1, 5000), 1);
	assert_true(clock_was_set(watch));
	assert_false(clock_was_set(watch));
	expect_armed(watch);
	expect_cancelled_by_a_step(watch);
	close(watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_step),
		cmocka_unit_test(test_past_its_time),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
