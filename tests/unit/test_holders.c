// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* holders: who holds which listener, from files as /proc has them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/holding.h"

#define NOBODY 65534

static void put(const struct tree *t, const char *path, const char *text)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", t->root, path);
	f = fopen(full, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static void make_dir(const struct tree *t, const char *path)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", t->root, path);
	assert_int_equal(mkdir(full, 0755), 0);
}

static void link_to(const struct tree *t, const char *path, const char *target)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", t->root, path);
	assert_int_equal(symlink(target, full), 0);
}

static void drop(const struct tree *t, const char *path)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", t->root, path);
	assert_int_equal(remove(full), 0);
}

/* A process without open files; "" for `netns` leaves its files of the network out. */
static void add_process(const struct tree *t, int pid, const char *netns, const char *comm, int uid)
{
	static const char *const dirs[] = { "", "/fd", "/ns", "/net", "/task" };
	char path[64], text[128];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		snprintf(path, sizeof(path), "%d%s", pid, dirs[i]);
		make_dir(t, path);
	}
	snprintf(path, sizeof(path), "%d/comm", pid);
	snprintf(text, sizeof(text), "%s\n", comm);
	put(t, path, text);
	snprintf(path, sizeof(path), "%d/status", pid);
	snprintf(text, sizeof(text), "Name:\tx\nUid:\t%d\t0\t0\t0\nNSpid:\t%d\t1\n", uid, pid);
	put(t, path, text);
	snprintf(path, sizeof(path), "%d/stat", pid);
	snprintf(text, sizeof(text), "%d (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 %d 0\n", pid, 1000 + pid);
	put(t, path, text);
	snprintf(path, sizeof(path), "%d/ns/net", pid);
	if (*netns)
		link_to(t, path, netns);
}

static void add_file(const struct tree *t, const char *path, uint64_t inode)
{
	char target[64];

	snprintf(target, sizeof(target), "socket:[%llu]", (unsigned long long)inode);
	link_to(t, path, target);
}

static void listener_line(char *text, size_t size, int port, int uid, uint64_t inode)
{
	snprintf(text, size,
		 "   0: %s:%04X 00000000:0000 0A 00000000:00000003 00:00000000 00000000 %5d        0 "
		 "%llu" REST "\n", word("\x7f\0\0\x01"), port, uid, (unsigned long long)inode);
}

/* The listeners of the table in a file, by the namespace that process is in. */
static void put_tcp(const struct tree *t, int pid, const char *lines)
{
	char path[64], text[8192];

	snprintf(path, sizeof(path), "%d/net/tcp", pid);
	snprintf(text, sizeof(text), HEADER "%s", lines);
	put(t, path, text);
}

static void put_listener(const struct tree *t, int pid, int port, uint64_t inode)
{
	char line[256];

	listener_line(line, sizeof(line), port, 33, inode);
	put_tcp(t, pid, line);
}

static int setup(void **state)
{
	static struct tree t;

	t = (struct tree){ .root = "/tmp/test_holders.XXXXXX" };
	*state = &t;
	return mkdtemp(t.root) && chmod(t.root, 0755) == 0 ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static int teardown(void **state)
{
	struct tree *t = *state;

	free(t->got);
	return nftw(t->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Two namespaces; a listener of two processes, one that has it twice; one handed to the other namespace. */
static void test_tree(void **state)
{
	struct tree *t = *state;
	char lines[1024], *at = lines;
	const char *const other_files[][2] = { { "7/fd/0", "/dev/null" }, { "7/fd/1", "pipe:[70]" },
					       { "7/fd/2", "socket:[99]" } };

	add_process(t, 7, "net:[1]", "web", 1000);
	add_process(t, 8, "net:[1]", "web", 1001);
	add_process(t, 9, "net:[2]", "a\nb\n\x1b(%s", 0);
	for (size_t i = 0; i < 3; i++)
		link_to(t, other_files[i][0], other_files[i][1]);
	for (int port = 80; port < 83; port++, at += strlen(at))
		listener_line(at, sizeof(lines) - (size_t)(at - lines), port, 33, (uint64_t)port - 10);
	listener_line(at, sizeof(lines) - (size_t)(at - lines), 82, 33, 72); /* again */
	put_tcp(t, 7, lines);
	put_listener(t, 9, 5000, 75);
	add_file(t, "7/fd/3", 70);
	add_file(t, "7/fd/4", 70);
	add_file(t, "8/fd/3", 70);
	add_file(t, "9/fd/3", 75);
	add_file(t, "9/fd/4", 71);
	assert_int_equal(scan(t, 0), 0);
	assert_int_equal(t->count, 5);
	for (size_t i = 0; i < t->count; i++) {
		const struct holder *h = &t->got[i];

		assert_true(h->start == (h->pid ? 1000 + h->pid : 0));
		assert_int_equal(h->init, h->pid != 0);
	}
	/* Processes come as the directory has them, one's files as well: sorted here by pid and port. */
	for (size_t i = 0; i < t->count; i++)
		for (size_t j = i + 1; j < t->count; j++)
			if (t->got[j].pid < t->got[i].pid ||
			    (t->got[j].pid == t->got[i].pid && t->got[j].port < t->got[i].port)) {
				struct holder h = t->got[i];

				t->got[i] = t->got[j];
				t->got[j] = h;
			}
	expect(t, 0, 0, "", 33, 82, 1);
	expect(t, 1, 7, "web", 1000, 80, 1);
	expect(t, 2, 8, "web", 1001, 80, 1);
	expect(t, 3, 9, "a\nb\n\x1b(%s", 0, 81, 1);
	expect(t, 4, 9, "a\nb\n\x1b(%s", 0, 5000, 2);
	for (size_t i = 0; i < t->count; i++)
		assert_int_equal(t->got[i].accept_len, 3);
	assert_int_equal(t->c.processes, 3);
	assert_int_equal(t->c.processes_unread, 0);
	assert_int_equal(t->c.namespaces, 2);
	assert_int_equal(t->c.namespaces_unread, 0);
	assert_int_equal(t->c.listeners, 4);
}

static void test_one_process(void **state)
{
	struct tree *t = *state;

	add_process(t, 7, "net:[1]", "exactly15bytes.", 1000);
	add_process(t, 8, "net:[1]", "more than 15 bytes", 1000);
	put_listener(t, 7, 80, 70);
	put_listener(t, 8, 80, 70);
	add_file(t, "7/fd/3", 70);
	assert_int_equal(scan(t, 7), 0);
	assert_int_equal(t->count, 1);
	expect(t, 0, 7, "exactly15bytes.", 1000, 80, 1);
	assert_int_equal(t->c.processes, 1);
	assert_int_equal(scan(t, 8), 0); /* what it does not hold is not said to be unheld */
	assert_int_equal(t->count, 0);
	assert_int_equal(t->c.listeners, 1);
	assert_int_equal(scan(t, 10), 0); /* gone */
	assert_int_equal(t->count, 0);
	assert_int_equal(t->c.processes, 0);
	add_file(t, "8/fd/3", 70);
	assert_int_equal(scan(t, 8), 0);
	expect(t, 0, 8, "more than 15 by", 1000, 80, 1);
}

/* IPv6's file counts as well, and lines behind the first that is no listener do not. */
static void test_files(void **state)
{
	struct tree *t = *state;
	char text[1024], line[256];

	add_process(t, 7, "net:[1]", "web", 0);
	listener_line(line, sizeof(line), 80, 0, 70);
	snprintf(text, sizeof(text), "%s   1: 0100007F:0016 0100007F:8000 01 00000000:00000000 00:00000000 "
		 "00000000     0        0 71" REST "\n", line);
	listener_line(line, sizeof(line), 81, 0, 72);
	strcat(text, line);
	put_tcp(t, 7, text);
	put(t, "7/net/tcp6", HEADER "   0: " ZERO ":1770 " ZERO ":0000 0A 00000000:00000000 00:00000000 "
	    "00000000     0        0 73" REST "\n"
	    "   1: " ZERO ":1771 " ZERO ":0000 0A 00000000:00000000 00:00000000 00000000     0        0 74");
	add_file(t, "7/fd/3", 73);
	assert_int_equal(scan(t, 0), 0);
	assert_int_equal(t->c.listeners, 2); /* the last line is not whole */
	assert_int_equal(t->count, 2);
	expect(t, 0, 7, "web", 0, 6000, 1);
	expect_addr(&t->got[0], "::");
	assert_int_equal(t->got[0].family, AF_INET6);
	expect(t, 1, 0, "", 0, 80, 1);
	assert_int_equal(t->got[1].family, AF_INET);
}

/* The first process of a namespace has gone when its file is opened: the next one does. */
static void test_vanishing(void **state)
{
	struct tree *t = *state;

	add_process(t, 6, "net:[1]", "gone", 0); /* no net/tcp: it ended */
	add_process(t, 7, "net:[1]", "web", 0);
	add_process(t, 8, "net:[3]", "last", 0); /* and nobody else is in this one */
	add_process(t, 9, "", "zombie", 0);
	put_listener(t, 7, 80, 70);
	add_file(t, "6/fd/3", 70);
	add_file(t, "7/fd/3", 70);
	drop(t, "6/comm"); /* while its open files were read */
	drop(t, "8/fd");
	assert_int_equal(scan(t, 0), 0);
	assert_int_equal(t->count, 1);
	expect(t, 0, 7, "web", 0, 80, 1);
	assert_int_equal(t->c.namespaces, 1);
	assert_int_equal(t->c.namespaces_unread, 0);
	assert_int_equal(t->c.processes, 2);
	assert_int_equal(t->c.processes_unread, 0);
}

/* The leader has ended: its threads have the open files. */
static void test_threads(void **state)
{
	struct tree *t = *state;

	add_process(t, 7, "net:[1]", "web", 5);
	put_listener(t, 7, 80, 70);
	make_dir(t, "7/task/7");
	make_dir(t, "7/task/7/fd");
	make_dir(t, "7/task/71"); /* ends now: without files */
	make_dir(t, "7/task/72");
	make_dir(t, "7/task/72/fd");
	add_file(t, "7/task/72/fd/3", 70);
	assert_int_equal(scan(t, 0), 0);
	assert_int_equal(t->count, 1);
	expect(t, 0, 7, "web", 5, 80, 1);
}

static void test_unreadable(void **state)
{
	struct tree *t = *state;
	char path[128];
	uid_t uid = geteuid();

	add_process(t, 7, "net:[1]", "web", 0);
	add_process(t, 8, "net:[1]", "web", 0);
	add_process(t, 9, "net:[2]", "web", 0);
	put_listener(t, 7, 80, 70);
	put_listener(t, 8, 80, 70);
	put_listener(t, 9, 90, 90);
	add_file(t, "7/fd/3", 70);
	add_file(t, "9/fd/3", 90);
	snprintf(path, sizeof(path), "%s/7/fd", t->root);
	assert_int_equal(chmod(path, 0), 0);
	snprintf(path, sizeof(path), "%s/9/net", t->root);
	assert_int_equal(chmod(path, 0), 0);
	if (!uid)
		assert_int_equal(seteuid(NOBODY), 0); /* root may read all */
	assert_int_equal(scan(t, 0), 0);
	assert_int_equal(seteuid(uid), 0);
	assert_int_equal(t->c.processes, 2);
	assert_int_equal(t->c.processes_unread, 1);
	assert_int_equal(t->c.namespaces, 1);
	assert_int_equal(t->c.namespaces_unread, 1);
	assert_int_equal(t->count, 1);
	expect(t, 0, 0, "", 33, 80, 1);
	snprintf(path, sizeof(path), "%s/7/fd", t->root);
	assert_int_equal(chmod(path, 0755), 0); /* for who removes it and is not root */
	snprintf(path, sizeof(path), "%s/9/net", t->root);
	assert_int_equal(chmod(path, 0755), 0);
}

/* It lacks descriptors at each of its steps in turn: that is an error, and nothing stays open. */
static void test_out_of_descriptors(void **state)
{
	struct tree *t = *state;
	struct rlimit before, limit;
	int lowest = dup(0), failed = 0, err = -EMFILE, files = open_files();

	assert_true(lowest >= 0);
	close(lowest);
	add_process(t, 7, "net:[1]", "web", 0);
	put_listener(t, 7, 80, 70);
	add_file(t, "7/fd/3", 70);
	files = open_files();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (int more = 0; err && more < 10; more++) {
		limit = before;
		limit.rlim_cur = (rlim_t)(lowest + more);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		err = scan(t, 0);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		assert_int_equal(open_files(), files);
		assert_true(err == 0 || err == -EMFILE);
		failed += err == -EMFILE;
	}
	assert_int_equal(err, 0);
	assert_int_equal(t->count, 1);
	assert_int_equal(failed, 4); /* at the root, the listeners, the open files, the name */
}

/* More processes, namespaces and listeners than there is room for at first. */
static void test_many(void **state)
{
	enum { PROCESSES = 150, EACH = 20 };
	struct tree *t = *state;
	char lines[EACH * 192], path[32];

	for (uint32_t i = 0; i < PROCESSES; i++) {
		char netns[32], *at = lines;

		snprintf(netns, sizeof(netns), "net:[%u]", 1 + i / 2);
		add_process(t, (int)(100 + i), netns, "web", 0);
		for (uint32_t j = 0; j < EACH; j++, at += strlen(at))
			listener_line(at, sizeof(lines) - (size_t)(at - lines), 1000 + (int)j, 0,
				      1000 * (1 + i / 2) + j);
		put_tcp(t, (int)(100 + i), lines);
		snprintf(path, sizeof(path), "%u/fd/3", 100 + i);
		add_file(t, path, 1000 * (1 + i / 2) + i % EACH);
	}
	assert_int_equal(scan(t, 0), 0);
	assert_int_equal(t->c.processes, PROCESSES);
	assert_int_equal(t->c.namespaces, PROCESSES / 2);
	assert_int_equal(t->c.listeners, PROCESSES / 2 * EACH);
	assert_int_equal(t->count, PROCESSES / 2 * EACH);
	for (size_t i = 0; i < PROCESSES; i++) {
		uint32_t nth = t->got[i].pid - 100;

		expect(t, i, t->got[i].pid, "web", 0, (uint16_t)(1000 + nth % EACH), 1 + nth / 2);
	}
	assert_int_equal(t->got[PROCESSES].pid, 0);
}

static void test_no_root(void **state)
{
	struct tree *t = *state;

	assert_int_equal(scan(t, 0), 0); /* an empty tree */
	assert_int_equal(t->c.processes, 0);
	assert_int_equal(holders_scan("/dev/null", 0, on_holder, t, &t->c), -ENOTDIR);
	assert_int_equal(holders_scan("/nowhere", 0, on_holder, t, &t->c), -ENOENT);
	assert_int_equal(t->count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tree, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_process, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vanishing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unreadable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_out_of_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_root, setup, teardown),
	};

	return cmocka_run_group_tests_name("holders", tests, NULL, NULL);
}
