// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "feed.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITE_BYTES (64 * 1024)
#define BACKLOG_BYTES (4 * 1024 * 1024)
#define KEEP_BYTES (256 * 1024) /* of an empty buffer */

struct feed {
	int fd;
	enum feed_kind kind;
	int error;
	uint64_t seq;
	struct buf out;
	size_t sent; /* of out */
	bool choked; /* the backlog was reached, and is not yet half gone */
	uint64_t lost[RECORD_TYPES]; /* not told yet */
	uint64_t lost_total;
	bool subscribed;
	struct filter filter;
	struct buf scratch;
};

struct feed *feed_new(int fd, enum feed_kind kind)
{
	struct feed *f = calloc(1, sizeof(*f));

	if (!f) {
		close(fd);
		return NULL;
	}
	f->fd = fd;
	f->kind = kind;
	return f;
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	close(f->fd);
	buf_free(&f->out);
	buf_free(&f->scratch);
	filter_free(&f->filter);
	free(f);
}

int feed_fd(const struct feed *f)
{
	return f->fd;
}

void feed_replace_fd(struct feed *f, int fd)
{
	close(f->fd);
	f->fd = fd;
}

void feed_subscribe(struct feed *f, struct filter *filter)
{
	f->subscribed = true;
	f->filter = *filter;
	memset(filter, 0, sizeof(*filter));
}

bool feed_is_subscribed(const struct feed *f)
{
	return f->subscribed;
}

const struct filter *feed_filter(const struct feed *f)
{
	return &f->filter;
}

static size_t backlog(const struct feed *f)
{
	return f->out.len - f->sent;
}

static void append(struct feed *f, enum record_type type, const char *body, size_t len)
{
	buf_lit(&f->out, "{\"v\":1,\"type\":\"");
	buf_str(&f->out, record_type_names[type]);
	buf_lit(&f->out, "\",\"seq\":");
	buf_u64(&f->out, ++f->seq);
	buf_lit(&f->out, ",");
	buf_mem(&f->out, body, len);
}

/* May records be put again? Not before half of a backlog that was full is gone. */
static bool has_room(struct feed *f, size_t more)
{
	if (f->choked ? backlog(f) > BACKLOG_BYTES / 2 : backlog(f) + more > BACKLOG_BYTES)
		f->choked = true;
	else
		f->choked = false;
	return !f->choked;
}

void feed_tell_losses(struct feed *f, const struct record *now)
{
	if (f->error || (now->type != RECORD_BYE && !has_room(f, 0)))
		return;
	for (int type = 0; type < RECORD_TYPES; type++) {
		if (!f->lost[type])
			continue;
		buf_clear(&f->scratch);
		record_times(&f->scratch, now->mono_ns, now->real_ns);
		record_loss(&f->scratch, record_type_names[type], "slow_reader", f->lost[type]);
		append(f, RECORD_LOSS, f->scratch.data, f->scratch.len);
		f->lost[type] = 0;
	}
}

void feed_put(struct feed *f, const struct record *r)
{
	if (f->error)
		return;
	if (r->type != RECORD_BYE && !has_room(f, r->body.len)) {
		f->lost[r->type]++;
		f->lost_total++;
		return;
	}
	feed_tell_losses(f, r);
	append(f, r->type, r->body.data, r->body.len);
	if (f->out.failed)
		f->error = -ENOMEM;
	else if (backlog(f) >= WRITE_BYTES)
		feed_flush(f);
}

/* A full disk took part of a record: leave the file with whole ones. */
static void cut_back(const struct feed *f, const char *chunk, size_t written)
{
	const char *end = written ? memrchr(chunk, '\n', written) : NULL;
	size_t whole = end ? (size_t)(end - chunk) + 1 : 0;
	struct stat st;

	if (written > whole && fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    ftruncate(f->fd, st.st_size - (off_t)(written - whole)) != 0)
		return; /* the disk is full already: there is nothing better to do */
}

static ssize_t write_some(const struct feed *f, const char *data, size_t len)
{
	ssize_t n;

	do {
		n = f->kind == FEED_SOCKET ? send(f->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) :
					     write(f->fd, data, len);
	} while (n < 0 && errno == EINTR);
	return n;
}

/*
 * A regular file gets whole buffers, which begin and end with whole records, so that a write
 * that fails half way can be taken back.
 */
int feed_flush(struct feed *f)
{
	while (!f->error && backlog(f)) {
		const char *data = f->out.data + f->sent;
		ssize_t n = write_some(f, data, backlog(f));

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0) {
			f->error = -errno;
			if (f->kind == FEED_FILE)
				cut_back(f, f->out.data, f->sent);
			break;
		}
		f->sent += (size_t)n;
	}
	if (f->sent == f->out.len || f->sent >= BACKLOG_BYTES / 2) {
		buf_consume(&f->out, f->sent);
		f->sent = 0;
		if (!f->out.len && f->out.cap > KEEP_BYTES)
			buf_free(&f->out);
	}
	return f->error;
}

bool feed_waits(const struct feed *f)
{
	return !f->error && backlog(f);
}

uint64_t feed_records(const struct feed *f)
{
	return f->seq;
}

uint64_t feed_lost(const struct feed *f)
{
	return f->lost_total;
}
