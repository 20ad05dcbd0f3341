// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* identity: a cgroup's path, also after a moment without descriptors. Needs root, for a mount of its own. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/host/identity.h"

/* The id of the root of the hierarchy, mounted where only this test sees it; 0: this host does not let us. */
static uint64_t mount_hierarchy(void)
{
	struct stat st;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/mnt", "cgroup2", 0, NULL) || stat("/mnt", &st))
		return 0;
	return st.st_ino;
}

static void append(struct identity *identity, struct buf *b, uint64_t id)
{
	buf_clear(b);
	identity_append_cgroup(identity, b, id);
	buf_mem(b, "", 1);
	assert_false(b->failed);
}

/* What could not be asked for want of descriptors is asked again. */
static void test_want(void **state)
{
	uint64_t id = mount_hierarchy();
	struct rlimit before, limit;
	struct identity *identity;
	struct buf b = {};

	(void)state;
	if (!id)
		skip();
	identity = identity_new();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = (struct rlimit){ .rlim_cur = (rlim_t)dup(0), .rlim_max = before.rlim_max };
	close((int)limit.rlim_cur);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	append(identity, &b, id);
	assert_non_null(strstr(b.data, "\"path\":null"));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	append(identity, &b, id);
	assert_non_null(strstr(b.data, "\"path\":\"/\""));
	append(identity, &b, 1ULL << 60); /* there is none: that is an answer */
	assert_non_null(strstr(b.data, "\"path\":null"));
	buf_free(&b);
	identity_free(identity);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_want),
	};

	return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
