// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Owners of a full queue that have no descriptor left: all of them are looked at, and what that costs is paid for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/events/descriptors.h"

#define LIMIT 16
#define INHERITED 1024 /* from who runs the tests */
#define OWNERS 2

static struct listener listener;
static struct descriptors descriptors;

/* A process that takes descriptors until `left` of LIMIT are, and stays. */
static uint32_t owner(int left)
{
	const struct rlimit limit = { LIMIT, LIMIT };
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		for (int fd = 3; fd < INHERITED; fd++)
			if (fd != ready[1])
				close(fd);
		for (int fd = dup(0); fd >= 0 && fd < LIMIT - left - 1;)
			fd = dup(0);
		if (setrlimit(RLIMIT_NOFILE, &limit) || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return (uint32_t)pid;
}

/* Two owners, of which the second has that many descriptors left. */
static void begin(int left)
{
	memset(&listener, 0, sizeof(listener));
	memset(&descriptors, 0, sizeof(descriptors));
	listener.owner_count = OWNERS;
	listener.owner[0].pid = owner(0);
	listener.owner[1].pid = owner(left);
}

static int end(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < listener.owner_count; i++) {
		kill((pid_t)listener.owner[i].pid, SIGKILL);
		waitpid((pid_t)listener.owner[i].pid, NULL, 0);
	}
	listener.owner_count = 0;
	return 0;
}

static void test_all_exhausted(void **state)
{
	const struct open_files *files;

	(void)state;
	begin(0);
	files = descriptors_exhausted(&descriptors, &listener);
	assert_non_null(files);
	assert_int_equal(files->used, LIMIT);
	assert_int_equal(files->limit, LIMIT);
}

static void test_one_has_some_left(void **state)
{
	(void)state;
	begin(4);
	assert_null(descriptors_exhausted(&descriptors, &listener));
}

static void test_not_paid_for(void **state)
{
	(void)state;
	begin(0);
	descriptors.paid_ns = UINT64_MAX;
	assert_null(descriptors_exhausted(&descriptors, &listener));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_all_exhausted, end),
		cmocka_unit_test_teardown(test_one_has_some_left, end),
		cmocka_unit_test_teardown(test_not_paid_for, end),
	};

	return cmocka_run_group_tests_name("descriptors", tests, NULL, NULL);
}
