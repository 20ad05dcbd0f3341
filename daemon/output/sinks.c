// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/output/sinks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "daemon/output/output_file.h"

static const struct timeval retry_interval = { .tv_usec = 500000 };

struct sink {
	struct sink *next;
	struct sinks *sinks;
	struct feed *feed;
	struct event *writable;
	struct event *hangup; /* of a pipe: its reader went away */
	struct event *retry; /* of a file that cannot be written */
	sink_dead_fn dead;
	sink_stuck_fn stuck;
	void *ctx;
	int error; /* to be reported */
	bool is_stuck; /* as reported */
};

struct sinks {
	struct event_base *base;
	struct sink *first; /* the output, if any, is the last */
	struct sink *output;
	const char *output_path;
	struct rotation *rotation; /* of the output, or NULL */
	const char *host; /* to be said in each record; or NULL */
	uint64_t put[RECORD_TYPES]; /* offered to all feeds */
	uint64_t gone_records, gone_lost; /* of feeds that are no more */
	struct event *bury; /* reports dead sinks outside any walk over the list */
};

/* Tell when a file's trouble begins and ends, and try again as long as it lasts. */
static void watch_file(struct sink *sink)
{
	int error = feed_write_error(sink->feed);

	if (error && sink->retry && !event_pending(sink->retry, EV_TIMEOUT, NULL))
		event_add(sink->retry, &retry_interval);
	if (!error == !sink->is_stuck)
		return;
	sink->is_stuck = error;
	sink->stuck(sink->ctx, error);
}

static void sink_flush(struct sink *sink)
{
	int err = feed_flush(sink->feed);

	watch_file(sink);
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

static void on_retry(evutil_socket_t fd, short what, void *ctx)
{
	struct sink *sink = ctx;

	(void)fd;
	(void)what;
	feed_retry(sink->feed);
	sink_flush(sink);
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
			sink->error = 0; /* reported once */
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

void sinks_name(struct sinks *s, const char *host)
{
	s->host = host;
}

void sinks_free(struct sinks *s)
{
	if (!s)
		return;
	while (s->first)
		sinks_remove(s, s->first);
	event_free(s->bury);
	rotation_free(s->rotation);
	free(s);
}

/* But not its feed. */
static void sink_free(struct sink *sink)
{
	if (!sink)
		return;
	if (sink->writable)
		event_free(sink->writable);
	if (sink->hangup)
		event_free(sink->hangup);
	if (sink->retry)
		event_free(sink->retry);
	free(sink);
}

struct sink *sinks_add(struct sinks *s, struct feed *feed, sink_dead_fn dead, void *ctx)
{
	struct sink *sink = calloc(1, sizeof(*sink));

	if (sink)
		sink->writable = event_new(s->base, feed_fd(feed), EV_WRITE, on_writable, sink);
	if (!sink || !sink->writable || (s->host && feed_name(feed, s->host) < 0)) {
		sink_free(sink);
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
	struct feed *feed = sink->feed;

	while (*p != sink)
		p = &(*p)->next;
	*p = sink->next;
	if (feed_is_subscribed(sink->feed)) {
		s->gone_records += feed_records(sink->feed);
		s->gone_lost += feed_lost(sink->feed);
	}
	if (sink == s->output)
		s->output = NULL;
	sink_free(sink);
	feed_free(feed); /* nobody may wait for a descriptor that is closed */
}

struct feed *sink_feed(struct sink *sink)
{
	return sink->feed;
}

/* A file that a crash cut off ends with half a record: ours is not to be appended to that line. */
static bool ends_within_line(int file)
{
	char path[32], last = '\n';
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file); /* this one, whatever has its name now */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false; /* write-only for us: nothing to look at */
	if (fstat(fd, &st) == 0 && st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1)
		last = '\n';
	close(fd);
	return last != '\n';
}

/* `wait`: for the reader of a FIFO. */
static int open_output(const char *path, bool wait, enum feed_kind *kind)
{
	struct stat st;
	int fd, err;

	if (strcmp(path, "-") == 0) {
		/*
		 * A pipe or terminal is opened anew, because O_NONBLOCK on stdout itself would
		 * be set for all who share it.
		 */
		fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | O_APPEND);
		if (fd < 0)
			fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	} else {
		fd = output_file_open(path, wait ? 0 : O_NONBLOCK);
		if (fd < 0)
			return fd;
	}
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		goto fail;
	*kind = S_ISREG(st.st_mode) ? FEED_FILE : S_ISSOCK(st.st_mode) ? FEED_SOCKET : FEED_STREAM;
	if (*kind == FEED_STREAM && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		goto fail;
	return fd;
fail:
	err = -errno;
	close(fd);
	return err;
}

/* The output has a new descriptor: what waits for it, and what it begins with. */
static int watch_output(struct sink *sink, const char *path, enum feed_kind kind)
{
	struct event_base *base = sink->sinks->base;
	int fd = feed_fd(sink->feed);
	struct stat st;

	sink->writable = event_new(base, fd, EV_WRITE, on_writable, sink);
	if (!sink->writable)
		return -ENOMEM;
	if (kind == FEED_FILE && strcmp(path, "-") != 0 && ends_within_line(fd))
		feed_finish_line(sink->feed);
	if (fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))) {
		/* epoll reports an error on any descriptor that is watched, whatever for */
		sink->hangup = event_new(base, fd, EV_READ | EV_PERSIST, on_hangup, sink);
		if (sink->hangup)
			event_add(sink->hangup, NULL);
	}
	return 0;
}

static void unwatch_output(struct sink *sink)
{
	event_free(sink->writable);
	sink->writable = NULL;
	if (sink->hangup)
		event_free(sink->hangup);
	sink->hangup = NULL;
}

/* Bound the size of the output, if that is asked for. */
static int bound_output(struct sinks *s, const struct output_place *place, enum feed_kind kind)
{
	if (!place->max)
		return 0;
	if (kind != FEED_FILE || strcmp(place->path, "-") == 0)
		return -EINVAL;
	s->rotation = rotation_new(place->path, place->max, place->keep);
	if (!s->rotation)
		return -ENOMEM;
	feed_bound(s->output->feed, s->rotation);
	return 0;
}

int sinks_open_output(struct sinks *s, const struct output_place *place, sink_dead_fn dead, sink_stuck_fn stuck,
		      void *ctx)
{
	const char *path = place->path;
	enum feed_kind kind;
	int fd = open_output(path, true, &kind), err;
	struct feed *feed;

	if (fd < 0)
		return fd;
	feed = feed_new(fd, kind);
	s->output = feed ? sinks_add(s, feed, dead, ctx) : NULL;
	if (!s->output)
		return -ENOMEM;
	err = bound_output(s, place, kind);
	if (err)
		return err;
	s->output_path = path;
	s->output->stuck = stuck;
	s->output->retry = evtimer_new(s->base, on_retry, s->output);
	if (!s->output->retry)
		return -ENOMEM;
	unwatch_output(s->output);
	return watch_output(s->output, path, kind);
}

struct feed *sinks_output(struct sinks *s)
{
	return s->output ? s->output->feed : NULL;
}

int sinks_reopen_output(struct sinks *s)
{
	enum feed_kind kind;
	int fd, err;

	if (!s->output || strcmp(s->output_path, "-") == 0)
		return 0;
	/* The old file is complete before there is a new one: who follows it may rely on that. */
	feed_retry(s->output->feed);
	fd = open_output(s->output_path, false, &kind);
	if (fd < 0)
		return fd;
	unwatch_output(s->output);
	feed_replace_fd(s->output->feed, fd, kind);
	err = watch_output(s->output, s->output_path, kind);
	if (err)
		return err;
	feed_retry(s->output->feed);
	sink_flush(s->output);
	return 0;
}

void sinks_subscribe(const struct sinks *s, struct feed *feed, struct filter *filter)
{
	feed_subscribe(feed, filter, s->put);
}

void sinks_put(struct sinks *s, const struct record *r, const struct filter_subject *subject)
{
	s->put[r->type]++;
	for (struct sink *sink = s->first; sink; sink = sink->next)
		if (feed_is_subscribed(sink->feed))
			feed_offer(sink->feed, r, subject);
}

void sinks_loss(struct sinks *s, int what, enum loss_why why, uint64_t count, const struct record *now)
{
	for (struct sink *sink = s->first; sink; sink = sink->next) {
		if (!feed_is_subscribed(sink->feed))
			continue;
		feed_loss(sink->feed, what, why, count);
		feed_report_losses(sink->feed, now);
	}
}

void sinks_flush(struct sinks *s)
{
	for (struct sink *sink = s->first; sink; sink = sink->next)
		sink_flush(sink);
}

void sinks_tidy(struct sinks *s)
{
	for (struct sink *sink = s->first; sink; sink = sink->next)
		feed_tidy(sink->feed);
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

void sinks_give_up(struct sinks *s)
{
	if (!s->output)
		return;
	feed_retry(s->output->feed);
	feed_give_up(s->output->feed);
}

void sinks_finish(struct sinks *s, int timeout_ms)
{
	uint64_t deadline = clock_mono_ns() + (uint64_t)timeout_ms * 1000000;
	struct sink *sink = s->first;

	while (sink) {
		struct pollfd p = { .fd = feed_fd(sink->feed), .events = POLLOUT };
		uint64_t now = clock_mono_ns();

		feed_retry(sink->feed);
		watch_file(sink);
		if (!feed_waits(sink->feed) || now >= deadline)
			sink = sink->next;
		else
			poll(&p, 1, (int)((deadline - now) / 1000000) + 1);
	}
}
