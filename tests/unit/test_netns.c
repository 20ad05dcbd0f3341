// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* netns: who keeps a namespace, from a tree that looks as /proc does. */
#define _GNU_SOURCE
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/host/netns.h"

#define MOUNTS                                                                                     \
	"24 1 0:22 / /proc rw,relatime shared:5 - proc proc rw\n"                                  \
	"25 1 0:4 net:[30] /run/netns/a\\040b rw shared:6 - nsfs nsfs rw\n"                        \
	"26 1 0:4 mnt:[40] /run/ns/m rw - nsfs nsfs rw\n"

static char root[] = "/tmp/test_netns.XXXXXX";

static void add_process(int pid, const char *netns)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%d", root, pid);
	assert_int_equal(mkdir(path, 0755), 0);
	strcat(path, "/ns");
	assert_int_equal(mkdir(path, 0755), 0);
	strcat(path, "/net");
	if (netns)
		assert_int_equal(symlink(netns, path), 0);
}

static void test_parse_mount(void **state)
{
	(void)state;
	assert_int_equal(netns_parse_mount("25 1 0:4 net:[4026532281] /run/netns/a rw - nsfs nsfs rw"), 4026532281);
	assert_int_equal(netns_parse_mount("25 1 0:4 net:[7]"), 7);
	assert_int_equal(netns_parse_mount("25 1 0:4 mnt:[7] /run/x rw - nsfs nsfs rw"), 0);
	assert_int_equal(netns_parse_mount("25 1 0:4 / /net:[7] rw - ext4 /dev/x rw"), 0);
	assert_int_equal(netns_parse_mount("25 1 0:4"), 0);
	assert_int_equal(netns_parse_mount(""), 0);
}

static void test_find(void **state)
{
	struct netns_kept kept[] = { { .netns = 10 }, { .netns = 20 }, { .netns = 30 }, { .netns = 40 } };

	(void)state;
	assert_int_equal(netns_find(root, kept, 4), 0);
	assert_in_range(kept[0].pid, 5, 6); /* as the file system lists them */
	assert_false(kept[0].mounted);
	assert_int_equal(kept[1].pid, 0); /* nobody */
	assert_false(kept[1].mounted);
	assert_int_equal(kept[2].pid, 0); /* a mount is enough: no process was asked */
	assert_true(kept[2].mounted);
	assert_int_equal(kept[3].pid, 0); /* that number is of another kind of namespace */
	assert_false(kept[3].mounted);
}

/* A mount is of no use where a process is wanted. */
static void test_inside(void **state)
{
	struct netns_kept kept[] = { { .netns = 10, .inside = true }, { .netns = 30, .inside = true } };

	(void)state;
	assert_int_equal(netns_find(root, kept, 2), 0);
	assert_in_range(kept[0].pid, 5, 6); /* as the file system lists them */
	assert_int_equal(kept[1].pid, 0);
	assert_false(kept[1].mounted);
}

static void test_without_mounts(void **state)
{
	struct netns_kept kept[] = { { .netns = 20 } };

	(void)state;
	assert_true(netns_find("/nowhere", kept, 1) < 0);
}

static void test_holds(void **state)
{
	struct stat st;

	(void)state;
	assert_true(netns_holds(root, 5, 10));
	assert_false(netns_holds(root, 5, 20));
	assert_false(netns_holds(root, 7, 10)); /* there is no such process */
	assert_false(netns_holds(root, 9, 10)); /* it is about to end, and in none */
	assert_int_equal(stat("/proc/self/ns/net", &st), 0);
	assert_true(netns_holds("/proc", (uint32_t)getpid(), (uint32_t)st.st_ino));
}

static int make_tree(void **state)
{
	char path[128];
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(root));
	add_process(5, "net:[10]");
	add_process(6, "net:[10]");
	add_process(8, "net:[50]");
	add_process(9, NULL);
	snprintf(path, sizeof(path), "%s/self", root);
	assert_int_equal(mkdir(path, 0755), 0);
	strcat(path, "/mountinfo");
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(MOUNTS, 1, strlen(MOUNTS), f), strlen(MOUNTS));
	assert_int_equal(fclose(f), 0);
	return 0;
}

static int drop_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int drop_tree(void **state)
{
	(void)state;
	return nftw(root, drop_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_mount),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_inside),
		cmocka_unit_test(test_without_mounts),
		cmocka_unit_test(test_holds),
	};

	return cmocka_run_group_tests_name("netns", tests, make_tree, drop_tree);
}
