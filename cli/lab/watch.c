// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/lab/watch.h"
#include "cli/feed/private.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/array.h"
#include "common/clock.h"
#include "common/lines.h"
#include "common/log.h"

#define EVENTS "handshake,overflow,reset,retransmit"
/* What else happens on this host must not push the lab's own records out. */
#define LIMITS "overflow=0,reset=0,drop=0,retransmit=0,listener=0,failed=0"
#define START_PATIENCE_NS (60 * NSEC_PER_SEC)
#define END_PATIENCE_NS (10 * NSEC_PER_SEC)
#define POLL_MS 100
/* What a busy host does while a statement is carried out. */
#define PIPE_BYTES (1024 * 1024)

struct lab_watch {
	pid_t pid;
	int fd;
	struct lines *lines;
	bool hello, over;
	bool lost; /* that was said */
	const struct lab_space *space;
	uint64_t since_ns; /* a namespace's number may be that of one before */
	struct lab_record *records;
	size_t count, room;
};

static void forget(struct lab_watch *w)
{
	for (size_t i = 0; i < w->count; i++) {
		record_free(&w->records[i].record);
		free(w->records[i].line);
	}
	w->count = 0;
}

/* Keep a record, which is released if that cannot be. */
static void keep(struct lab_watch *w, struct record *r, const char *line, size_t len)
{
	enum lab_place place = r->netns == w->space->inodes[LAB_A] ? LAB_A : LAB_B;
	char *copy = malloc(len);

	if (!copy || !ARRAY_ROOM(w->records, w->count, w->room)) {
		log_error("out of memory; a record is missing");
		free(copy);
		record_free(r);
		return;
	}
	memcpy(copy, line, len);
	w->records[w->count++] = (struct lab_record){ *r, place, copy, len };
}

static bool is_ours(const struct lab_watch *w, const struct record *r)
{
	return w->space && r->mono_ns >= w->since_ns &&
	       (r->netns == w->space->inodes[LAB_A] || r->netns == w->space->inodes[LAB_B]) &&
	       (r->type == RECORD_HANDSHAKE || r->type == RECORD_OVERFLOW || r->type == RECORD_RESET ||
		r->type == RECORD_RETRANSMIT);
}

static void take_line(struct lab_watch *w, const char *line, size_t len)
{
	struct record r;
	char error[160];

	if (record_parse(line, len, &r, error, sizeof(error)) != RECORD_GOOD) {
		log_warning("a record of the private tcpshaked cannot be read: %s", error);
		return;
	}
	w->hello = w->hello || r.type == RECORD_HELLO;
	if (r.type == RECORD_LOSS && !w->lost)
		log_warning("the private tcpshaked could not report all that this host did (%s)",
			    r.loss.why ? r.loss.why : "?");
	w->lost = w->lost || r.type == RECORD_LOSS;
	if (is_ours(w, &r))
		keep(w, &r, line, len);
	else
		record_free(&r);
}

int lab_watch_take(struct lab_watch *w)
{
	struct pollfd fd = { .fd = w->fd, .events = POLLIN };

	while (!w->over && poll(&fd, 1, 0) > 0) {
		const char *line;
		size_t len;

		w->over = lines_fill(w->lines) <= 0;
		while (lines_next(w->lines, &line, &len) == LINE_WHOLE)
			take_line(w, line, len);
	}
	if (!w->over)
		return 0;
	log_error("the private tcpshaked (pid %d) has ended", w->pid);
	return -1;
}

/* It says hello as soon as its programs are attached. */
static bool await_hello(struct lab_watch *w, struct signals *signals)
{
	uint64_t give_up_at = clock_mono_ns() + START_PATIENCE_NS;

	while (!w->hello && !signals->stops) {
		struct pollfd fds[] = {
			{ .fd = w->fd, .events = POLLIN },
			{ .fd = signals->fd, .events = POLLIN },
		};

		poll(fds, 2, POLL_MS);
		signals_read(signals);
		if (lab_watch_take(w) < 0)
			return false;
		if (clock_mono_ns() > give_up_at) {
			log_error("the private tcpshaked (pid %d) does not begin", w->pid);
			return false;
		}
	}
	return w->hello;
}

struct lab_watch *lab_watch_open(struct signals *signals)
{
	struct lab_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->fd = private_start(NULL, EVENTS, LIMITS, &w->pid);
	/* Where that is not allowed the pipe keeps its size. */
	if (w->fd >= 0)
		fcntl(w->fd, F_SETPIPE_SZ, PIPE_BYTES);
	w->lines = w->fd >= 0 ? lines_new(w->fd) : NULL;
	if (w->lines && await_hello(w, signals))
		return w;
	lab_watch_close(w);
	return NULL;
}

/* It says bye, and would complain if nobody read it. */
static void drain(struct lab_watch *w)
{
	uint64_t until = clock_mono_ns() + END_PATIENCE_NS;
	struct pollfd fd = { .fd = w->fd, .events = POLLIN };
	char data[65536];

	kill(w->pid, SIGTERM);
	while (clock_mono_ns() < until && (poll(&fd, 1, POLL_MS) <= 0 || read(w->fd, data, sizeof(data)) > 0))
		;
}

void lab_watch_close(struct lab_watch *w)
{
	if (!w)
		return;
	if (w->fd >= 0) {
		drain(w);
		close(w->fd);
		private_wait(w->pid);
	}
	forget(w);
	lines_free(w->lines);
	free(w->records);
	free(w);
}

void lab_watch_follow(struct lab_watch *w, const struct lab_space *space)
{
	forget(w);
	w->space = space;
	w->since_ns = clock_mono_ns();
}

int lab_watch_fd(const struct lab_watch *w)
{
	return w->fd;
}

size_t lab_watch_count(const struct lab_watch *w)
{
	return w->count;
}

const struct lab_record *lab_watch_at(const struct lab_watch *w, size_t index)
{
	return &w->records[index];
}
