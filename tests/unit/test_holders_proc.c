// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* holders: this process's listeners, from /proc itself. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/holding.h"

static int listen_at(int family, const char *addr, uint16_t *port)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in a4 = { .sin_family = AF_INET };
	struct sockaddr *a = family == AF_INET ? (struct sockaddr *)&a4 : (struct sockaddr *)&a6;
	socklen_t len = family == AF_INET ? sizeof(a4) : sizeof(a6);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(family, addr, family == AF_INET ? (void *)&a4.sin_addr : (void *)&a6.sin6_addr);
	if (fd < 0 || bind(fd, a, len) || listen(fd, 5) || getsockname(fd, a, &len))
		return -1;
	*port = ntohs(family == AF_INET ? a4.sin_port : a6.sin6_port);
	return fd;
}

/* This process, its name anything but plain, with listeners of both families. */
static void test_proc(void **state)
{
	static const struct {
		int family;
		const char *addr;
	} cases[] = { { AF_INET, "127.0.0.1" },
		      { AF_INET, "0.0.0.0" },
		      { AF_INET6, "::1" },
		      { AF_INET6, "::" },
		      { AF_INET6, "::ffff:127.0.0.1" } };
	struct tree *t = *state;
	char comm[16];
	int files;

	assert_int_equal(prctl(PR_GET_NAME, comm), 0);
	assert_int_equal(prctl(PR_SET_NAME, "a\n:[7] \xff\n"), 0);
	strcpy(t->root, "/proc");
	files = open_files();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct stat netns, socket_stat;
		uint16_t port;
		int fd = listen_at(cases[i].family, cases[i].addr, &port);

		if (fd < 0)
			continue; /* a host without IPv6 */
		assert_int_equal(stat("/proc/self/ns/net", &netns), 0);
		assert_int_equal(fstat(fd, &socket_stat), 0);
		assert_int_equal(scan(t, (uint32_t)getpid()), 0);
		assert_int_equal(t->count, 1);
		expect(t, 0, (uint32_t)getpid(), "a\n:[7] \xff\n", getuid(), port,
		       (uint32_t)netns.st_ino);
		expect_addr(&t->got[0], cases[i].addr);
		assert_int_equal(t->got[0].family, cases[i].family);
		assert_true(t->got[0].inode == socket_stat.st_ino);
		close(fd);
		assert_int_equal(open_files(), files);
	}
	assert_int_equal(prctl(PR_SET_NAME, comm), 0);
	assert_int_equal(scan(t, (uint32_t)getpid()), 0);
	assert_int_equal(t->count, 0);
}

static int free_only(void **state)
{
	free(((struct tree *)*state)->got);
	return 0;
}

static int no_tree(void **state)
{
	static struct tree t;

	t = (struct tree){ .count = 0 };
	*state = &t;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_proc, no_tree, free_only),
	};

	return cmocka_run_group_tests_name("holders_proc", tests, NULL, NULL);
}
