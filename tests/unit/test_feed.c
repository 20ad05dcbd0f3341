// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* feed: sequence numbers, slow readers, full disks. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/feed.h"

static void make_record(struct record *r, enum record_type type)
{
	static const char padding[400] = "";
	cJSON *members = cJSON_CreateObject();
	char text[sizeof(padding)];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	cJSON_AddStringToObject(members, "padding", text);
	record_begin(r, type, 1000, 0);
	record_members(&r->body, members);
	cJSON_Delete(members);
}

/* Everything the feed's reader gets, parsed; checks that seq has no gap. */
struct taken {
	uint64_t seq, handshakes, lost, byes;
};

static void take(int fd, struct buf *in, struct taken *t)
{
	char chunk[65536], *newline;
	ssize_t n;

	while ((n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT)) > 0)
		buf_mem(in, chunk, (size_t)n);
	while (in->len && (newline = memchr(in->data, '\n', in->len))) {
		size_t len = (size_t)(newline - in->data) + 1;
		cJSON *record = cJSON_ParseWithLength(in->data, len);
		const char *type = cJSON_GetStringValue(cJSON_GetObjectItem(record, "type"));

		assert_non_null(type);
		assert_int_equal(cJSON_GetObjectItem(record, "seq")->valueint, ++t->seq);
		if (strcmp(type, "loss") == 0) {
			assert_string_equal(cJSON_GetObjectItem(record, "what")->valuestring,
					    "handshake");
			assert_string_equal(cJSON_GetObjectItem(record, "why")->valuestring,
					    "slow_reader");
			t->lost += (uint64_t)cJSON_GetObjectItem(record, "count")->valuedouble;
		}
		t->handshakes += strcmp(type, "handshake") == 0;
		t->byes += strcmp(type, "bye") == 0;
		cJSON_Delete(record);
		buf_consume(in, len);
	}
}

static void test_slow_reader(void **state)
{
	struct record handshake = {}, bye = {};
	struct taken t = {};
	struct buf in = {};
	struct feed *f;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	f = feed_new(fds[0], FEED_SOCKET);
	make_record(&handshake, RECORD_HANDSHAKE);
	make_record(&bye, RECORD_BYE);

	for (int i = 0; i < 10000; i++) /* 5 MB: more than the socket and the backlog hold */
		feed_put(f, &handshake);
	assert_int_equal(feed_flush(f), 0);
	assert_true(feed_waits(f));
	assert_true(feed_lost(f) > 0);
	do { /* the reader wakes up */
		take(fds[1], &in, &t);
		assert_int_equal(feed_flush(f), 0);
	} while (feed_waits(f));
	assert_int_equal(t.lost, 0); /* nothing was put since */

	for (int i = 0; i < 100; i++)
		feed_put(f, &handshake);
	feed_put(f, &bye);
	assert_int_equal(feed_flush(f), 0);
	take(fds[1], &in, &t);
	assert_int_equal(t.handshakes + t.lost, 10100);
	assert_int_equal(t.lost, feed_lost(f));
	assert_int_equal(t.byes, 1);
	assert_int_equal(t.seq, feed_records(f));
	assert_int_equal(in.len, 0);

	feed_free(f);
	close(fds[1]);
	buf_free(&in);
	buf_free(&handshake.body);
	buf_free(&bye.body);
}

static void test_reader_gone(void **state)
{
	struct record r = {};
	struct feed *f;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	f = feed_new(fds[0], FEED_SOCKET);
	make_record(&r, RECORD_HANDSHAKE);
	close(fds[1]);
	feed_put(f, &r);
	assert_int_equal(feed_flush(f), -EPIPE);
	feed_put(f, &r); /* a dead feed takes no more */
	assert_int_equal(feed_records(f), 1);
	assert_false(feed_waits(f));
	feed_free(f);
	buf_free(&r.body);
}

static void test_full_device(void **state)
{
	struct feed *f = feed_new(open("/dev/full", O_WRONLY), FEED_STREAM);
	struct record r = {};

	(void)state;
	make_record(&r, RECORD_HANDSHAKE);
	feed_put(f, &r);
	assert_int_equal(feed_flush(f), -ENOSPC);
	feed_free(f);
	buf_free(&r.body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_reader_gone),
		cmocka_unit_test(test_full_device),
	};

	return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
