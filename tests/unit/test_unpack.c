// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* unpack, recording, replay: recordings in every form, in the smallest pieces, at their own pace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cli/feed/recording.h"
#include "cli/feed/replay.h"
#include "cli/feed/unpack.h"
#include "common/buf.h"

static char path[64];
static const char *const suffixes[] = { "", ".gz", ".zst" };

/* Some lines, in two writes, so that there are two members or frames. */
static struct buf make(const char *suffix, struct buf *plain)
{
	struct recording *r;
	struct buf packed = { 0 };
	uint64_t again_at;
	int fd;

	snprintf(path, sizeof(path), "/tmp/tcpshake-unit-%d%s", (int)getpid(), suffix);
	r = recording_open(&(struct options){ .file = path, .force = true });
	assert_non_null(r);
	for (int i = 0; i < 200; i++) {
		char line[32];
		int len = snprintf(line, sizeof(line), "{\"line\":%d}", i);

		recording_put(r, line, (size_t)len);
		buf_mem(plain, line, (size_t)len);
		buf_lit(plain, "\n");
		/* What is compressed waits for a second. */
		assert_int_equal(recording_flush(r, 1000 + (i < 100 ? 0 : 1000000000ULL), &again_at), 0);
		assert_true(again_at == (*suffix && i < 100 ? 1000 + 1000000000ULL : UINT64_MAX) || i > 100);
	}
	assert_int_equal(recording_close(r), 0);
	fd = open(path, O_RDONLY);
	assert_true(buf_reserve(&packed, 65536));
	packed.len = (size_t)read(fd, packed.data, 65536);
	close(fd);
	unlink(path);
	return packed;
}

/* Write `len` bytes in pieces of `piece` and read them back into rooms of `room`: the last result. */
static ssize_t through(const struct buf *packed, size_t len, size_t piece, size_t room, struct buf *out,
		       bool *cut)
{
	char data[4096];
	struct unpack *u;
	size_t written = 0;
	ssize_t n = -EAGAIN;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	u = unpack_new(fds[0]);
	assert_non_null(u);
	while (n > 0 || n == -EAGAIN) {
		if (!unpack_waits(u) && written < len) {
			size_t some = len - written < piece ? len - written : piece;

			assert_int_equal(write(fds[1], packed->data + written, some), some);
			written += some;
		} else if (!unpack_waits(u) && fds[1] >= 0) {
			close(fds[1]);
			fds[1] = -1;
		}
		n = unpack_read(u, data, room);
		if (n > 0)
			buf_mem(out, data, (size_t)n);
	}
	*cut = unpack_is_cut(u);
	unpack_free(u);
	close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
	return n;
}

static void test_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct buf plain = { 0 }, packed = make(suffixes[i], &plain), out = { 0 };
		bool cut;

		for (size_t piece = 1; piece < 5000; piece = piece * 7 + 1) {
			for (size_t room = 1; room <= 4096; room *= 16) {
				buf_clear(&out);
				assert_int_equal(through(&packed, packed.len, piece, room, &out, &cut), 0);
				assert_int_equal(out.len, plain.len);
				assert_memory_equal(out.data, plain.data, plain.len);
				assert_false(cut);
			}
		}
		buf_free(&plain);
		buf_free(&packed);
		buf_free(&out);
	}
}

static void test_every_cut(void **state)
{
	(void)state;
	for (size_t i = 1; i < 3; i++) {
		struct buf plain = { 0 }, packed = make(suffixes[i], &plain), out = { 0 };
		size_t clean = 0;

		for (size_t len = 4; len <= packed.len; len++) {
			bool cut;

			buf_clear(&out);
			assert_int_equal(through(&packed, len, 4096, 4096, &out, &cut), 0);
			assert_true(out.len <= plain.len);
			assert_memory_equal(out.data, plain.data, out.len);
			clean += !cut;
		}
		/* Between the members, and at the end. */
		assert_int_equal(clean, 2);
		buf_free(&plain);
		buf_free(&packed);
		buf_free(&out);
	}
}

static void test_what_is_none(void **state)
{
	static const struct {
		const char *data;
		size_t len;
		ssize_t result;
	} cases[] = {
		{ "", 0, 0 }, { "(", 1, 0 }, { "\x1f", 1, 0 }, { "\x28\xb5\x2f", 3, 0 },
		{ "\x1f\x8b\xff\xff", 4, -EBADMSG }, { "\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 20, -EBADMSG },
		{ "{\"v\":1}", 7, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf data = { 0 }, out = { 0 };
		bool cut;

		buf_mem(&data, cases[i].data, cases[i].len);
		assert_int_equal(through(&data, data.len, 1, 4096, &out, &cut), cases[i].result);
		if (!cases[i].result) {
			assert_int_equal(out.len, data.len);
			assert_false(cut);
		}
		buf_free(&data);
		buf_free(&out);
	}
}

static void test_replay(void **state)
{
	struct replay r = { .speed = 1 };

	(void)state;
	assert_int_equal(replay_due(&r, true, 1000, 50), 0);
	assert_int_equal(replay_due(&r, false, 1600, 60), 650);
	r.speed = 2;
	assert_int_equal(replay_due(&r, false, 1600, 60), 350);
	r.speed = 0.5;
	assert_int_equal(replay_due(&r, false, 1600, 60), 1250);
	r.speed = 1;
	assert_int_equal(replay_due(&r, false, 900, 60), 0);
	assert_int_equal(replay_due(&r, false, 0, 60), 0);
	/* A feed of another boot. */
	assert_int_equal(replay_due(&r, true, 10, 2000), 0);
	assert_int_equal(replay_due(&r, false, 20, 2001), 2010);
	r.speed = 0.001;
	assert_true(replay_due(&r, false, UINT64_MAX, 2001) == UINT64_MAX);
	/* Cut out of the middle of one. */
	r = (struct replay){ .speed = 1 };
	assert_int_equal(replay_due(&r, false, 500, 7), 0);
	assert_int_equal(replay_due(&r, false, 501, 7), 8);
	/* As fast as it goes. */
	r = (struct replay){ 0 };
	assert_int_equal(replay_due(&r, true, 500, 7), 0);
	assert_int_equal(replay_due(&r, false, 5000, 7), 0);
}

/* As a screen shows it: short pauses between feeds are kept, and the clock is held and set. */
static void test_replay_of_a_screen(void **state)
{
	struct replay r = { .speed = 1, .gap_ns = 100 };

	(void)state;
	assert_int_equal(replay_due(&r, false, 0, 5), 0); /* no time begins with it */
	assert_int_equal(replay_due(&r, true, 1000, 10), 0);
	assert_int_equal(replay_now(&r, 30), 1020);
	assert_int_equal(replay_due(&r, true, 1090, 30), 100);
	assert_int_equal(replay_due(&r, true, 1200, 100), 0);
	assert_int_equal(replay_now(&r, 110), 1210);
	assert_int_equal(replay_due(&r, true, 7, 110), 0); /* another boot */
	assert_int_equal(replay_now(&r, 111), 8);
	r.held = true;
	replay_set(&r, 50, 200);
	assert_int_equal(replay_due(&r, false, 50, 210), 0);
	assert_true(replay_due(&r, false, 51, 210) == UINT64_MAX);
	assert_int_equal(replay_now(&r, 1000), 50);
	r.held = false;
	replay_set(&r, 50, 300);
	assert_int_equal(replay_due(&r, false, 60, 301), 310);
	/* Sought back: what is older than that is not waited for. */
	r.begun = false;
	r.newest_ns = 0;
	replay_set(&r, 30, 400);
	assert_int_equal(replay_due(&r, true, 7, 401), 0);
	assert_int_equal(replay_due(&r, false, 40, 402), 410);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_replay_of_a_screen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
