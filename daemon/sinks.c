// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "sinks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"

struct sink {
	struct sink *next;
	struct sinks *sinks;
	struct feed *feed;
	struct event *writable;
	struct event *hangup; /* of a pipe: its reader went away */
	sink_dead_fn dead;
	void *ctx;
	int error; /* to be told */
};

struct sinks {
	struct event_base *base;
	struct sink *first; /* the output, if any, is the last */
	struct sink *output;
	const char *output_path;
	uint64_t gone_records, gone_lost; /* of feeds that are no more */
	struct event *bury; /* tells of dead sinks outside any walk over the list */
};

static void sink_flush(struct sink *sink)
{
	int err = feed_flush(sink->feed);

	if (err && !sink->error) {
		sink->error = err;
		event_active(sink->sinks->bury, EV_TIMEOUT, 0);
	} else if (!err && feed_waits(sink->feed)) {
		event_add(sink->writable, NULL);
	}
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	sink_flush(ctx);
}

static void on_hangup(evutil_socket_t fd, short what, void *ctx)
{
	struct sink *sink = ctx;
	struct pollfd p = { .fd = fd };

	(void)what;
	event_del(sink->hangup);
	if (poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP)) && !sink->error) {
		sink->error = -EPIPE;
		event_active(sink->sinks->bury, EV_TIMEOUT, 0);
	}
}

static void on_bury(evutil_socket_t fd, short what, void *ctx)
{
	struct sinks *s = ctx;
	struct sink *sink = s->first;

	(void)fd;
	(void)what;
	while (sink) {
		struct sink *next = sink->next;
		int error = sink->error;

		if (error) {
			sink->error = 0; /* told once */
			sink->dead(sink->ctx, error); /* may remove it */
		}
		sink = next;
	}
}

struct sinks *sinks_new(struct event_base *base)
{
	struct sinks *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->base = base;
	s->bury = event_new(base, -1, 0, on_bury, s);
	if (!s->bury) {
		free(s);
		return NULL;
	}
	return s;
}

void sinks_free(struct sinks *s)
{
	if (!s)
		return;
	while (s->first)
		sinks_remove(s, s->first);
	event_free(s->bury);
	free(s);
}

struct sink *sinks_add(struct sinks *s, struct feed *feed, sink_dead_fn dead, void *ctx)
{
	struct sink *sink = calloc(1, sizeof(*sink));

	if (sink)
		sink->writable = event_new(s->base, feed_fd(feed), EV_WRITE, on_writable, sink);
	if (!sink || !sink->writable) {
		free(sink);
		feed_free(feed);
		return NULL;
	}
	sink->sinks = s;
	sink->feed = feed;
	sink->dead = dead;
	sink->ctx = ctx;
	sink->next = s->first;
	s->first = sink;
	return sink;
}

void sinks_remove(struct sinks *s, struct sink *sink)
{
	struct sink **p = &s->first;

	while (*p != sink)
		p = &(*p)->next;
	*p = sink->next;
	if (feed_is_subscribed(sink->feed)) {
		s->gone_records += feed_records(sink->feed);
		s->gone_lost += feed_lost(sink->feed);
	}
	if (sink == s->output)
		s->output = NULL;
	event_free(sink->writable);
	if (sink->hangup)
		event_free(sink->hangup);
	feed_free(sink->feed);
	free(sink);
}

struct feed *sink_feed(struct sink *sink)
{
	return sink->feed;
}

/* A file that a crash cut off ends with half a record: do not append ours to that line. */
static int end_last_line(int fd, const char *path)
{
	int readable = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char last = '\n';
	int err = 0;

	if (readable < 0)
		return 0; /* write-only for us: nothing to look at */
	if (fstat(readable, &st) == 0 && st.st_size > 0 &&
	    pread(readable, &last, 1, st.st_size - 1) == 1 && last != '\n' && write(fd, "\n", 1) != 1)
		err = -errno;
	close(readable);
	return err;
}

static int open_output(const char *path, enum feed_kind *kind)
{
	struct stat st;
	int fd, err;

	if (strcmp(path, "-") == 0) {
		/*
		 * A pipe or terminal is opened anew, because O_NONBLOCK on stdout itself would
		 * be set for whoever shares it.
		 */
		fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | O_APPEND);
		if (fd < 0)
			fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	} else {
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
	}
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		goto fail;
	*kind = S_ISREG(st.st_mode) ? FEED_FILE : S_ISSOCK(st.st_mode) ? FEED_SOCKET : FEED_STREAM;
	if (*kind == FEED_STREAM && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		goto fail;
	err = *kind == FEED_FILE && strcmp(path, "-") != 0 ? end_last_line(fd, path) : 0;
	if (!err)
		return fd;
	close(fd);
	return err;
fail:
	err = -errno;
	close(fd);
	return err;
}

int sinks_open_output(struct sinks *s, const char *path, sink_dead_fn dead, void *ctx)
{
	enum feed_kind kind;
	int fd = open_output(path, &kind);
	struct feed *feed;
	struct stat st;

	if (fd < 0)
		return fd;
	feed = feed_new(fd, kind);
	s->output = feed ? sinks_add(s, feed, dead, ctx) : NULL;
	if (!s->output)
		return -ENOMEM;
	s->output_path = path;
	if (fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))) {
		/* epoll reports an error on any descriptor that is watched, whatever for */
		s->output->hangup = event_new(s->base, fd, EV_READ | EV_PERSIST, on_hangup, s->output);
		if (s->output->hangup)
			event_add(s->output->hangup, NULL);
	}
	return 0;
}

struct feed *sinks_output(struct sinks *s)
{
	return s->output ? s->output->feed : NULL;
}

int sinks_reopen_output(struct sinks *s)
{
	enum feed_kind kind;
	int fd;

	if (!s->output || strcmp(s->output_path, "-") == 0)
		return 0;
	feed_flush(s->output->feed);
	fd = open_output(s->output_path, &kind);
	if (fd < 0)
		return fd;
	feed_replace_fd(s->output->feed, fd);
	return 0;
}

void sinks_put(struct sinks *s, const struct record *r, const struct filter_subject *subject)
{
	for (struct sink *sink = s->first; sink; sink = sink->next)
		if (feed_is_subscribed(sink->feed) &&
		    (!subject || filter_match(feed_filter(sink->feed), subject)))
			feed_put(sink->feed, r);
}

void sinks_flush(struct sinks *s)
{
	for (struct sink *sink = s->first; sink; sink = sink->next)
		sink_flush(sink);
}

void sinks_gone(const struct sinks *s, uint64_t *records, uint64_t *lost)
{
	*records = s->gone_records;
	*lost = s->gone_lost;
}

void sinks_each(struct sinks *s, void (*fn)(void *ctx, struct feed *feed), void *ctx)
{
	for (struct sink *sink = s->first; sink; sink = sink->next)
		fn(ctx, sink->feed);
}

void sinks_finish(struct sinks *s, int timeout_ms)
{
	uint64_t deadline = clock_mono_ns() + (uint64_t)timeout_ms * 1000000;
	struct sink *sink = s->first;

	while (sink) {
		struct pollfd p = { .fd = feed_fd(sink->feed), .events = POLLOUT };
		uint64_t now = clock_mono_ns();

		feed_flush(sink->feed);
		if (!feed_waits(sink->feed) || now >= deadline)
			sink = sink->next;
		else
			poll(&p, 1, (int)((deadline - now) / 1000000) + 1);
	}
}
