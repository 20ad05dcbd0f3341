// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The socket's limits, with answers as long as they are wanted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "daemon/output/control.h"
#include "tests/unit/serving.h"

#define ANSWER (8 * 1024 * 1024)
#define CLIENTS 64

static char path[64];
static struct event_base *base;
static struct sinks *sinks;
static struct control *control;

static void put_long(void *ctx, struct feed *to)
{
	static char text[ANSWER];
	struct record r = {};

	(void)ctx;
	memset(text, 'x', sizeof(text) - 1);
	record_begin(&r, RECORD_LISTENER, 1, 0);
	buf_lit(&r.body, ",\"text\":");
	buf_json_str(&r.body, text, sizeof(text));
	buf_lit(&r.body, "}\n");
	feed_answer(to, &r);
	buf_free(&r.body);
}

static int begin(void **state)
{
	static const struct control_handler handler = {
		.hello = serve_hello, .probe = serve_probe, .listeners = put_long,
		.stats = serve_nothing, .end = serve_end,
	};
	const struct control_place place = { path, GROUP_UNCHANGED };

	(void)state;
	log_init("test", LOG_LEVEL_ERROR);
	snprintf(path, sizeof(path), "/tmp/tcpshake-unit-%d.sock", (int)getpid());
	base = event_base_new();
	sinks = base ? sinks_new(base) : NULL;
	return sinks && control_open(&control, &place, base, sinks, &handler) == 0 ? control_listen(control) : -1;
}

static int end(void **state)
{
	(void)state;
	control_free(control);
	sinks_free(sinks);
	event_base_free(base);
	return 0;
}

static void run(void)
{
	for (int i = 0; i < 4; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static int enter(const char *request)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	run();
	if (request)
		assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	run();
	return fd;
}

/* All that comes until nothing more does; `*closed`: the other side ended it. */
static size_t read_all(int fd, char *last, size_t size, bool *closed)
{
	static char chunk[1 << 16];
	size_t sum = 0;
	ssize_t n;

	memset(last, 0, size);
	do {
		run();
		n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);
		if (n > 0 && (size_t)n >= size - 1)
			memcpy(last, chunk + n - (size - 1), size - 1);
		sum += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	*closed = n == 0;
	return sum;
}

static bool is_closed(int fd)
{
	char last[8];
	bool closed;

	read_all(fd, last, sizeof(last), &closed);
	return closed;
}

/* Answers that nobody reads take 64 MiB at most: the oldest go, and who asks last gets all of its answer. */
static void test_answers_that_wait(void **state)
{
	int fds[20], open = 0;
	char last[sizeof("\"error\":\"\"}\n")];
	bool closed;

	(void)state;
	for (int i = 0; i < 20; i++)
		fds[i] = enter("{\"op\":\"listeners\"}\n");
	assert_in_range(control_limits(control)->reached[LIMIT_ANSWER_BYTES], 11, 13);
	assert_in_range(read_all(fds[19], last, sizeof(last), &closed), ANSWER, ANSWER + 1000);
	assert_false(closed);
	assert_string_equal(last, "\"error\":\"\"}\n");
	for (int i = 0; i < 20; i++)
		open += !is_closed(fds[i]);
	assert_in_range(open, 7, 9);
	for (int i = 0; i < 20; i++)
		close(fds[i]);
	run();
}

/* Those that only hold a place give it to those that come, the oldest first. */
static void test_idle_clients(void **state)
{
	int fds[CLIENTS + 3];

	(void)state;
	for (int i = 0; i < CLIENTS; i++)
		fds[i] = enter(NULL);
	assert_int_equal(send(fds[0], "{\"op\":\"stats\"}\n", 15, 0), 15); /* not idle */
	run();
	for (int i = CLIENTS; i < CLIENTS + 3; i++)
		fds[i] = enter("{\"op\":\"stats\"}\n");
	for (int i = 0; i < CLIENTS + 3; i++)
		assert_int_equal(is_closed(fds[i]), i >= 1 && i <= 3);
	assert_int_equal(control_limits(control)->reached[LIMIT_PLACES], 3);
	for (int i = 0; i < CLIENTS + 3; i++)
		close(fds[i]);
	run();
}

/* A subscription is not idle, whatever comes of it: of one user's, none goes for another. */
static void test_subscribers_stay(void **state)
{
	int fds[CLIENTS], late;

	(void)state;
	for (int i = 0; i < CLIENTS; i++)
		fds[i] = enter("{\"op\":\"subscribe\"}\n");
	late = enter(NULL);
	assert_true(is_closed(late));
	for (int i = 0; i < CLIENTS; i++)
		assert_false(is_closed(fds[i]));
	assert_int_equal(control_limits(control)->reached[LIMIT_PLACES], 1);
	close(late);
	for (int i = 0; i < CLIENTS; i++)
		close(fds[i]);
	run();
}

static void test_long_request(void **state)
{
	char request[4096];
	int fd = enter(NULL);

	(void)state;
	memset(request, 'x', sizeof(request));
	for (int i = 0; i < 20; i++) {
		send(fd, request, sizeof(request), MSG_NOSIGNAL);
		run();
	}
	assert_int_equal(control_limits(control)->reached[LIMIT_REQUEST_BYTES], 1);
	assert_true(recv(fd, request, sizeof(request), MSG_DONTWAIT) > 0);
	assert_non_null(strstr(request, "longer than 64 KiB"));
	close(fd);
}

/* The same limit is logged once a minute, with all that came since. */
static void test_log_is_limited(void **state)
{
	struct limits l = { .server = "test" };
	const uint64_t second = 1000000000;

	(void)state;
	for (uint64_t at = 100; at < 159; at++)
		limits_reached(&l, LIMIT_PLACES, at * second);
	assert_int_equal(l.logged[LIMIT_PLACES].reached, 1);
	limits_reached(&l, LIMIT_PLACES, 160 * second);
	assert_int_equal(l.logged[LIMIT_PLACES].reached, 60);
	assert_int_equal(l.reached[LIMIT_PLACES], 60);
	limits_reached(&l, LIMIT_REQUEST_TIME, 160 * second);
	assert_int_equal(l.logged[LIMIT_REQUEST_TIME].reached, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers_that_wait, begin, end),
		cmocka_unit_test_setup_teardown(test_idle_clients, begin, end),
		cmocka_unit_test_setup_teardown(test_subscribers_stay, begin, end),
		cmocka_unit_test_setup_teardown(test_long_request, begin, end),
		cmocka_unit_test(test_log_is_limited),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
