// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* feed: sequence numbers, slow readers, full disks. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/json.h"
#include "daemon/output/feed.h"

static void make_record(struct record *r, enum record_type type)
{
	static const char padding[400] = "";
	char text[sizeof(padding)];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	record_begin(r, type, 1000, 0);
	json_string(&r->body, "padding", text);
	buf_lit(&r->body, "}\n");
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

/* While it is behind, a record costs no call: it is tried again after another 192 KiB. What is tidied up is no record. */
static void test_behind(void **state)
{
	struct record handshake = {};
	uint64_t taken, put = 0;
	struct taken t = {};
	struct buf in = {};
	struct feed *f;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	f = feed_new(fds[0], FEED_SOCKET);
	make_record(&handshake, RECORD_HANDSHAKE);
	for (; !feed_waits(f) || feed_backlog(f) < 1024 * 1024; put++)
		feed_put(f, &handshake);
	for (int round = 0; round < 3; round++) {
		size_t left;

		assert_int_equal(feed_flush(f), 0);
		feed_tidy(f);
		left = feed_backlog(f);
		taken = feed_taken(f);
		take(fds[1], &in, &t); /* it would take more now */
		for (; feed_taken(f) == taken && feed_backlog(f) < left + 1024 * 1024; put++)
			feed_put(f, &handshake);
		assert_in_range(feed_backlog(f) + feed_taken(f) - taken - left, 192 * 1024, 193 * 1024);
	}
	while (feed_waits(f)) {
		take(fds[1], &in, &t);
		assert_int_equal(feed_flush(f), 0);
	}
	for (int i = 0; i < 3; i++, put++) {
		feed_tidy(f);
		feed_put(f, &handshake);
		assert_int_equal(feed_flush(f), 0);
	}
	take(fds[1], &in, &t);
	assert_int_equal(t.handshakes, put);
	feed_free(f);
	close(fds[1]);
	buf_free(&in);
	buf_free(&handshake.body);
}

/* What was offered is before + records + filtered + lost; the daemon's losses are owed until there is room. */
static void test_tally(void **state)
{
	static const uint64_t before[RECORD_TYPES] = { [RECORD_HANDSHAKE] = 7 };
	const struct filter_subject mine = { .role = ROLE_ACTIVE, .latency_ns = NS_UNKNOWN };
	const struct filter_subject others = { .role = ROLE_PASSIVE, .latency_ns = NS_UNKNOWN };
	struct record handshake = {}, bye = {};
	struct filter filter = { 0 };
	struct feed_totals totals;
	struct feed_tally t;
	uint64_t owed = 0, lost = 0, handshakes = 0, offered = 0;
	struct feed *f;
	char error[256], line[1024];
	int fds[2];
	FILE *reader;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	f = feed_new(fds[0], FEED_SOCKET);
	assert_int_equal(filter_set(&filter, "role", "active", error, sizeof(error)), 0);
	feed_subscribe(f, &filter, before);
	make_record(&handshake, RECORD_HANDSHAKE);
	make_record(&bye, RECORD_BYE);
	for (; offered < 20000; offered++)
		feed_offer(f, &handshake, offered % 4 ? &mine : &others);
	feed_loss(f, RECORD_HANDSHAKE, LOSS_RING_FULL, 11);
	feed_loss(f, LOSS_TRANSITION, LOSS_NESTED, 2);
	feed_report_losses(f, &handshake); /* there is no room: later */
	feed_loss(f, RECORD_HANDSHAKE, LOSS_RING_FULL, 5);
	feed_totals(f, &totals);
	t = totals.of[RECORD_HANDSHAKE];
	assert_int_equal(t.before, 7);
	assert_int_equal(t.filtered, 5000);
	assert_true(t.records > 0 && t.lost > 0);
	assert_int_equal(t.records + t.filtered + t.lost, offered);
	assert_int_equal(t.lost, feed_lost(f));
	feed_put(f, &bye);
	if (fork() == 0) { /* somebody reads, so that all of it can be written */
		while (feed_flush(f) == 0 && feed_waits(f))
			usleep(1000);
		_exit(0);
	}
	feed_free(f); /* the child's goes on */
	reader = fdopen(fds[1], "r");
	while (fgets(line, sizeof(line), reader) && !strstr(line, "\"type\":\"bye\"")) {
		const char *count = strstr(line, "\"count\":");

		handshakes += strstr(line, "\"type\":\"handshake\"") != NULL;
		if (count && strstr(line, "slow_reader"))
			lost += strtoull(count + 8, NULL, 10);
		else if (count)
			owed += strtoull(count + 8, NULL, 10);
	}
	assert_int_equal(handshakes, t.records);
	assert_int_equal(lost, t.lost);
	assert_int_equal(owed, 18);
	fclose(reader);
	assert_int_equal(waitpid(-1, NULL, 0) > 0, 1);
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

/*
 * A disk of a certain size, for one file: RLIMIT_FSIZE takes part of a write, then none, as a full
 * disk does. (fallocate() does not heed it.)
 */
static void set_disk(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

struct disk {
	int fd;
	char path[32];
	struct feed *feed;
	struct record handshake, loss, bye;
};

static void disk_open(struct disk *d, rlim_t bytes)
{
	memset(d, 0, sizeof(*d));
	signal(SIGXFSZ, SIG_IGN);
	strcpy(d->path, "/tmp/tcpshake-feed-XXXXXX");
	d->fd = mkostemp(d->path, O_APPEND);
	assert_true(d->fd >= 0);
	d->feed = feed_new(dup(d->fd), FEED_FILE);
	make_record(&d->handshake, RECORD_HANDSHAKE);
	make_record(&d->loss, RECORD_LOSS);
	make_record(&d->bye, RECORD_BYE);
	set_disk(bytes);
}

static void disk_close(struct disk *d)
{
	set_disk(RLIM_INFINITY);
	feed_free(d->feed);
	close(d->fd);
	unlink(d->path);
	buf_free(&d->handshake.body);
	buf_free(&d->loss.body);
	buf_free(&d->bye.body);
}

/* What the file holds: whole records, numbered from `t->seq` on. */
static void read_disk(struct disk *d, struct taken *t)
{
	int fd = open(d->path, O_RDONLY);
	struct buf in = {};
	struct stat st;
	cJSON *record;

	assert_int_equal(fstat(fd, &st), 0);
	assert_true(buf_reserve(&in, (size_t)st.st_size + 1));
	assert_int_equal(pread(fd, in.data, (size_t)st.st_size, 0), st.st_size);
	close(fd);
	in.len = (size_t)st.st_size;
	while (in.len) {
		const char *end = memchr(in.data, '\n', in.len), *type;
		size_t len;

		assert_non_null(end);
		len = (size_t)(end - in.data) + 1;
		record = cJSON_ParseWithLength(in.data, len);
		assert_non_null(record);
		type = cJSON_GetStringValue(cJSON_GetObjectItem(record, "type"));
		assert_int_equal(cJSON_GetObjectItem(record, "seq")->valueint, ++t->seq);
		t->handshakes += strcmp(type, "handshake") == 0;
		t->byes += strcmp(type, "bye") == 0;
		if (cJSON_GetObjectItem(record, "count")) {
			assert_string_equal(cJSON_GetObjectItem(record, "why")->valuestring,
					    "write_error");
			t->lost += (uint64_t)cJSON_GetObjectItem(record, "count")->valuedouble;
		}
		cJSON_Delete(record);
		buf_consume(&in, len);
	}
	buf_free(&in);
}

static void test_full_disk_that_is_freed(void **state)
{
	struct taken t = {}, end = {};
	struct disk d;
	int put = 0;

	(void)state;
	disk_open(&d, 100001);
	for (; put < 20000; put++) /* 10 MB: more than the backlog, too */
		feed_put(d.feed, &d.handshake);
	assert_int_equal(feed_flush(d.feed), 0);
	assert_int_equal(feed_write_error(d.feed), -EFBIG);
	assert_false(feed_waits(d.feed)); /* for no reader */
	read_disk(&d, &t);
	assert_in_range(t.handshakes, 100, 100001 / 440);
	assert_true(feed_lost(d.feed) > 0);

	set_disk(1000001); /* some is freed, not enough */
	assert_int_equal(feed_retry(d.feed), 0);
	assert_int_equal(feed_write_error(d.feed), -EFBIG);
	memset(&t, 0, sizeof(t));
	read_disk(&d, &t);
	assert_true(t.handshakes > 1000);

	set_disk(RLIM_INFINITY);
	assert_int_equal(feed_retry(d.feed), 0);
	assert_int_equal(feed_write_error(d.feed), 0);
	assert_int_equal(feed_lost_lately(d.feed), feed_lost(d.feed));
	feed_put(d.feed, &d.handshake);
	feed_put(d.feed, &d.bye);
	assert_int_equal(feed_flush(d.feed), 0);
	read_disk(&d, &end);
	assert_int_equal(end.handshakes + end.lost, put + 1);
	assert_int_equal(end.lost, feed_lost(d.feed));
	assert_int_equal(end.seq, feed_records(d.feed));
	assert_int_equal(end.byes, 1);
	disk_close(&d);
}

/* What waits is given up, so that the last records fit: its own loss records are reported again. */
static void test_full_disk_at_the_end(void **state)
{
	struct taken t = {};
	struct disk d;

	(void)state;
	disk_open(&d, 100001);
	for (int i = 0; i < 20000; i++)
		feed_put(d.feed, &d.handshake);
	set_disk(3000001);
	feed_retry(d.feed); /* half of the backlog is gone: there is room again */
	for (int i = 0; i < 20000; i++)
		feed_put(d.feed, &d.handshake); /* one of its losses is reported within the backlog */
	assert_int_equal(feed_write_error(d.feed), -EFBIG);
	feed_give_up(d.feed);
	set_disk(3002001);
	feed_report_losses(d.feed, &d.bye);
	feed_put(d.feed, &d.bye);
	assert_int_equal(feed_retry(d.feed), 0);
	assert_int_equal(feed_write_error(d.feed), 0);
	read_disk(&d, &t);
	assert_int_equal(t.handshakes + t.lost, 40000);
	assert_int_equal(t.lost, feed_lost(d.feed));
	assert_int_equal(t.seq, feed_records(d.feed));
	assert_int_equal(t.byes, 1);
	disk_close(&d);
}

/* A file that took nothing at all keeps its beginning for when it takes something. */
static void test_full_disk_from_the_start(void **state)
{
	struct taken t = {};
	struct disk d;

	(void)state;
	disk_open(&d, 100);
	feed_put(d.feed, &d.handshake);
	assert_int_equal(feed_flush(d.feed), 0);
	read_disk(&d, &t);
	assert_int_equal(t.seq, 0);
	feed_give_up(d.feed);
	feed_put(d.feed, &d.bye);
	set_disk(RLIM_INFINITY);
	feed_retry(d.feed);
	read_disk(&d, &t);
	assert_int_equal(t.handshakes, 1);
	assert_int_equal(t.byes, 1);
	assert_int_equal(feed_lost(d.feed), 0);
	disk_close(&d);
}

/* Another file, as after a rotation, goes on where the full one stopped. */
static void test_other_file_cures(void **state)
{
	struct taken t = {};
	struct disk d, other;

	(void)state;
	disk_open(&other, RLIM_INFINITY);
	disk_open(&d, 5001);
	for (int i = 0; i < 1000; i++)
		feed_put(d.feed, &d.handshake);
	feed_flush(d.feed);
	assert_int_equal(feed_write_error(d.feed), -EFBIG);
	set_disk(RLIM_INFINITY);
	feed_replace_fd(d.feed, dup(other.fd), FEED_FILE);
	feed_retry(d.feed);
	assert_int_equal(feed_write_error(d.feed), 0);
	read_disk(&d, &t);
	assert_in_range(t.handshakes, 5, 11);
	read_disk(&other, &t);
	assert_int_equal(t.handshakes, 1000);
	assert_int_equal(feed_lost(d.feed), 0);
	disk_close(&d);
	disk_close(&other);
}

/* The half record of who crashed is ended, not continued; also if that is all that fits. */
static void test_line_without_end(void **state)
{
	struct disk d;
	char text[6];

	(void)state;
	disk_open(&d, 3);
	assert_int_equal(write(d.fd, "{\"v", 3), 3);
	feed_finish_line(d.feed);
	feed_put(d.feed, &d.handshake);
	feed_flush(d.feed);
	assert_int_equal(feed_write_error(d.feed), -EFBIG);
	set_disk(4);
	feed_retry(d.feed);
	assert_int_equal(lseek(d.fd, 0, SEEK_END), 4);
	set_disk(RLIM_INFINITY);
	feed_retry(d.feed);
	assert_int_equal(lseek(d.fd, 0, SEEK_SET), 0);
	assert_int_equal(read(d.fd, text, sizeof(text)), sizeof(text));
	assert_memory_equal(text, "{\"v\n{\"", sizeof(text));
	disk_close(&d);
}

/* Nothing would report what is missing of an answer, or that its end is. */
static void test_answers_are_whole(void **state)
{
	struct record handshake = {};
	struct taken t = {};
	struct buf in = {};
	struct feed *f;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	f = feed_new(fds[0], FEED_SOCKET);
	make_record(&handshake, RECORD_HANDSHAKE);
	assert_false(feed_is_full(f));
	for (int i = 0; i < 12000; i++) /* 6 MB: more than a subscriber may leave waiting */
		feed_answer(f, &handshake);
	assert_true(feed_is_full(f));
	while (feed_waits(f)) {
		take(fds[1], &in, &t);
		assert_int_equal(feed_flush(f), 0);
	}
	take(fds[1], &in, &t);
	assert_int_equal(t.handshakes, 12000);
	assert_int_equal(t.lost, 0);
	assert_false(feed_is_full(f));
	feed_free(f);
	close(fds[1]);
	buf_free(&in);
	buf_free(&handshake.body);
}

static void check_name(const char *line, const char *host, const char *id, bool in_bye)
{
	cJSON *record = cJSON_Parse(line), *feed = cJSON_GetObjectItem(record, "feed");

	assert_non_null(record);
	assert_int_equal(!!cJSON_GetObjectItem(record, "host"), !!host);
	if (host)
		assert_string_equal(cJSON_GetObjectItem(record, "host")->valuestring, host);
	assert_int_equal(!!feed, !in_bye);
	if (!in_bye)
		assert_string_equal(feed->valuestring, id);
	cJSON_Delete(record);
}

/* Each record says whose it is; hello has the host and bye the feed by itself. */
static void test_names(void **state)
{
	static const enum record_type types[] = { RECORD_HELLO, RECORD_HANDSHAKE, RECORD_BYE };
	static const char host[] = "we\"b\n1";
	struct record r = { 0 };
	struct feed_totals totals[2];
	char ids[2][16];

	(void)state;
	for (int start = 0; start < 2; start++) {
		char data[8192], *line = data;
		int fds[2];
		struct feed *f;

		assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), errno);
		f = feed_new(fds[0], FEED_SOCKET);
		assert_int_equal(feed_name(f, host), 0);
		feed_totals(f, &totals[start]);
		snprintf(ids[start], sizeof(ids[start]), "%s", totals[start].id);
		assert_int_equal(strspn(ids[start], "0123456789abcdef"), 8);
		for (size_t i = 0; i < 3; i++) {
			make_record(&r, types[i]);
			feed_put(f, &r);
		}
		assert_int_equal(feed_flush(f), 0);
		data[read(fds[1], data, sizeof(data) - 1)] = '\0';
		for (size_t i = 0; i < 3; i++) {
			char *end = strchr(line, '\n');

			*end = '\0';
			check_name(line, types[i] == RECORD_HELLO ? NULL : host, ids[start],
				   types[i] == RECORD_BYE);
			line = end + 1;
		}
		assert_string_equal(line, "");
		feed_free(f);
		close(fds[1]);
	}
	assert_string_not_equal(ids[0], ids[1]);
	buf_free(&r.body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_behind),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_tally),
		cmocka_unit_test(test_answers_are_whole),
		cmocka_unit_test(test_reader_gone),
		cmocka_unit_test(test_full_device),
		cmocka_unit_test(test_full_disk_that_is_freed),
		cmocka_unit_test(test_full_disk_at_the_end),
		cmocka_unit_test(test_full_disk_from_the_start),
		cmocka_unit_test(test_other_file_cures),
		cmocka_unit_test(test_line_without_end),
	};

	return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
