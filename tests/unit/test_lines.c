// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* lines: however the bytes come, each line once, and what is missing said. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/lines.h"

struct pipes {
	int in, out;
	struct lines *lines;
};

static int setup(void **state)
{
	static struct pipes p;
	int fds[2];

	if (pipe(fds) < 0)
		return -1;
	p = (struct pipes){ .in = fds[1], .out = fds[0], .lines = lines_new(fds[0]) };
	*state = &p;
	return p.lines ? 0 : -1;
}

static int teardown(void **state)
{
	struct pipes *p = *state;

	lines_free(p->lines);
	close(p->out);
	if (p->in >= 0)
		close(p->in);
	return 0;
}

static void feed(struct pipes *p, const char *bytes, size_t len)
{
	assert_int_equal(write(p->in, bytes, len), len);
	assert_int_equal(lines_fill(p->lines), len);
}

static void end(struct pipes *p)
{
	close(p->in);
	p->in = -1;
	assert_int_equal(lines_fill(p->lines), 0);
}

static void expect(struct pipes *p, enum line_kind kind, const char *text, size_t len)
{
	const char *line;
	size_t got;

	assert_int_equal(lines_next(p->lines, &line, &got), kind);
	if (!text)
		return;
	assert_int_equal(got, len);
	assert_memory_equal(line, text, len);
}

static void test_split_anywhere(void **state)
{
	struct pipes *p = *state;

	feed(p, "on", 2);
	expect(p, LINE_NONE, NULL, 0);
	feed(p, "e", 1);
	expect(p, LINE_NONE, NULL, 0);
	feed(p, "\n\ntwo\nth", 8);
	expect(p, LINE_WHOLE, "one", 3);
	assert_int_equal(lines_number(p->lines), 1);
	expect(p, LINE_WHOLE, "", 0);
	expect(p, LINE_WHOLE, "two", 3);
	assert_int_equal(lines_number(p->lines), 3);
	expect(p, LINE_NONE, NULL, 0);
	feed(p, "ree\r\n", 5);
	expect(p, LINE_WHOLE, "three\r", 6);
	feed(p, "a\0b\n", 4);
	expect(p, LINE_WHOLE, "a\0b", 3);
	end(p);
	expect(p, LINE_NONE, NULL, 0);
	expect(p, LINE_NONE, NULL, 0);
}

static void test_cut_off(void **state)
{
	struct pipes *p = *state;

	feed(p, "one\ntw", 6);
	expect(p, LINE_WHOLE, "one", 3);
	expect(p, LINE_NONE, NULL, 0);
	end(p);
	expect(p, LINE_CUT, "tw", 2);
	assert_int_equal(lines_number(p->lines), 2);
	expect(p, LINE_NONE, NULL, 0);
}

static void test_empty_stream(void **state)
{
	struct pipes *p = *state;

	expect(p, LINE_NONE, NULL, 0);
	end(p);
	expect(p, LINE_NONE, NULL, 0);
	assert_int_equal(lines_number(p->lines), 0);
}

/* A file of `len` times 'x' around what a line may have, and what comes after. */
static struct lines *file_of(size_t len, const char *rest, int *fd)
{
	char *bytes = malloc(len);

	assert_non_null(bytes);
	memset(bytes, 'x', len);
	*fd = memfd_create("lines", MFD_CLOEXEC);
	assert_true(*fd >= 0);
	assert_int_equal(write(*fd, bytes, len), len);
	assert_int_equal(write(*fd, rest, strlen(rest)), strlen(rest));
	assert_int_equal(lseek(*fd, 0, SEEK_SET), 0);
	free(bytes);
	return lines_new(*fd);
}

static enum line_kind next(struct lines *l, const char **line, size_t *len)
{
	enum line_kind kind;
	ssize_t got = 1;

	while ((kind = lines_next(l, line, len)) == LINE_NONE && got > 0) {
		got = lines_fill(l);
		assert_true(got >= 0);
	}
	return kind;
}

static void test_longest(void **state)
{
	const char *line;
	size_t len;
	int fd;
	struct lines *l = file_of(LINES_MAX, "\nnext\n", &fd);

	(void)state;
	assert_int_equal(next(l, &line, &len), LINE_WHOLE);
	assert_int_equal(len, LINES_MAX);
	assert_int_equal(next(l, &line, &len), LINE_WHOLE);
	assert_int_equal(len, 4);
	assert_int_equal(next(l, &line, &len), LINE_NONE);
	lines_free(l);
	close(fd);
}

static void test_oversized(void **state)
{
	static const size_t lengths[] = { LINES_MAX + 1, LINES_MAX + 65537, 5 * LINES_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		const char *line;
		size_t len;
		int fd;
		struct lines *l = file_of(lengths[i], "\nnext\n", &fd);

		assert_int_equal(next(l, &line, &len), LINE_OVERSIZED);
		assert_int_equal(lines_number(l), 1);
		assert_int_equal(next(l, &line, &len), LINE_WHOLE);
		assert_int_equal(len, 4);
		assert_memory_equal(line, "next", 4);
		assert_int_equal(lines_number(l), 2);
		assert_int_equal(next(l, &line, &len), LINE_NONE);
		lines_free(l);
		close(fd);
	}
}

/* One report, not two, for a line that is too long and unfinished as well. */
static void test_oversized_to_the_end(void **state)
{
	const char *line;
	size_t len;
	int fd;
	struct lines *l = file_of(3 * LINES_MAX, "", &fd);

	(void)state;
	assert_int_equal(next(l, &line, &len), LINE_OVERSIZED);
	assert_int_equal(next(l, &line, &len), LINE_NONE);
	lines_free(l);
	close(fd);
}

static void test_read_error(void **state)
{
	int fd = open("/", O_RDONLY | O_CLOEXEC);
	struct lines *l = lines_new(fd);

	(void)state;
	assert_int_equal(lines_fill(l), -EISDIR);
	lines_free(l);
	lines_free(NULL);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_split_anywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_stream, setup, teardown),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_oversized),
		cmocka_unit_test(test_oversized_to_the_end),
		cmocka_unit_test(test_read_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
