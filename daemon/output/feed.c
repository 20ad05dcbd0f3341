// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/output/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/names.h"

#define WRITE_BYTES (192 * 1024) /* at once: each call costs, but so does what the cache has no room for */
#define BACKLOG_BYTES (4 * 1024 * 1024)
#define KEEP_BYTES (256 * 1024) /* of a buffer that is empty: more than that while it is needed */
#define LAST_BYTES (8 * 1024) /* what loss records and `bye` may need */

static const char *const loss_what_names[LOSS_WHATS - RECORD_TYPES] = {
	[LOSS_BEGINNING - RECORD_TYPES] = "beginning",
	[LOSS_TRANSITION - RECORD_TYPES] = "transition",
	[LOSS_EVIDENCE - RECORD_TYPES] = "evidence",
};

struct feed {
	int fd;
	enum feed_kind kind;
	int error; /* dead of it */
	int write_error; /* of a file: it waits for better times */
	uint64_t lost_before; /* lost_total when that began */
	struct rotation *rotation; /* NULL: one file, however large */
	uint64_t first_seq; /* of its file */
	bool ending; /* only loss records and `bye` are to come */
	bool within_line; /* of a file: its last line has no end, and is not ours */
	uint64_t seq;
	char id[sizeof("01234567")]; /* "": its records do not say whose they are */
	struct buf name; /* what they say then: `,"host":…,"feed":…` */
	size_t name_host; /* the length of its first half */
	struct buf out;
	size_t sent; /* of out */
	size_t left; /* of the backlog by the last flush */
	size_t most; /* that out held since the last feed_tidy() */
	uint64_t taken;
	bool choked; /* the backlog was reached, and is not yet half gone */
	uint64_t lost[LOSS_WHYS][LOSS_WHATS]; /* not reported yet */
	bool unreported; /* there are any */
	uint64_t lost_total;
	struct feed_tally tally[RECORD_TYPES];
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
	f->first_seq = 1;
	return f;
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	close(f->fd);
	buf_free(&f->name);
	buf_free(&f->out);
	buf_free(&f->scratch);
	filter_free(&f->filter);
	free(f);
}

/* Written once, because each record has it. */
int feed_name(struct feed *f, const char *host)
{
	uint32_t number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -errno;
	snprintf(f->id, sizeof(f->id), "%08x", number);
	buf_lit(&f->name, ",\"host\":");
	buf_json_str(&f->name, host, SIZE_MAX);
	f->name_host = f->name.len;
	buf_lit(&f->name, ",\"feed\":\"");
	buf_str(&f->name, f->id);
	buf_lit(&f->name, "\"");
	return f->name.failed ? -ENOMEM : 0;
}

int feed_fd(const struct feed *f)
{
	return f->fd;
}

void feed_bound(struct feed *f, struct rotation *rotation)
{
	f->rotation = rotation;
}

void feed_finish_line(struct feed *f)
{
	f->within_line = true;
}

void feed_subscribe(struct feed *f, struct filter *filter, const uint64_t *before)
{
	for (int type = 0; type < RECORD_TYPES; type++)
		f->tally[type].before = before[type];
	f->subscribed = true;
	f->filter = *filter;
	memset(filter, 0, sizeof(*filter));
}

bool feed_is_subscribed(const struct feed *f)
{
	return f->subscribed;
}

size_t feed_backlog(const struct feed *f)
{
	return f->out.len - f->sent;
}

/* Instead of a record's end: whose it is. hello has its host, and bye its feed, among what it says anyway. */
static void end_named(struct feed *f, enum record_type type)
{
	f->out.len -= strlen("}\n");
	if (type != RECORD_HELLO)
		buf_mem(&f->out, f->name.data, f->name_host);
	if (type != RECORD_BYE)
		buf_mem(&f->out, f->name.data + f->name_host, f->name.len - f->name_host);
	buf_lit(&f->out, "}\n");
}

static void append(struct feed *f, enum record_type type, const char *body, size_t len)
{
	record_type_open(&f->out, type);
	buf_lit(&f->out, ",\"seq\":");
	buf_u64(&f->out, ++f->seq);
	buf_lit(&f->out, ",");
	buf_mem(&f->out, body, len);
	if (f->name.len && !f->out.failed)
		end_named(f, type);
}

/* May records be put again? Not before half of a backlog that was full is gone. */
static bool has_room(struct feed *f, size_t more)
{
	f->choked = f->choked ? feed_backlog(f) > BACKLOG_BYTES / 2 : feed_backlog(f) + more > BACKLOG_BYTES;
	return !f->choked;
}

static const char *what_name(int what)
{
	return what < RECORD_TYPES ? record_type_names[what] : loss_what_names[what - RECORD_TYPES];
}

static int what_index(const char *name)
{
	int what;

	if (!name)
		return -1;
	what = record_type_of(name, strlen(name));
	if (what != RECORD_OTHER)
		return what;
	what = name_index(loss_what_names, LOSS_WHATS - RECORD_TYPES, name, strlen(name));
	return what < 0 ? -1 : what + RECORD_TYPES;
}

void feed_loss(struct feed *f, int what, enum loss_why why, uint64_t count)
{
	f->lost[why][what] += count;
	f->unreported = true;
}

void feed_report_losses(struct feed *f, const struct record *now)
{
	if (!f->unreported || f->error || (now->type != RECORD_BYE && !has_room(f, 0)))
		return;
	for (int why = 0; why < LOSS_WHYS; why++) {
		for (int what = 0; what < LOSS_WHATS; what++) {
			if (!f->lost[why][what])
				continue;
			buf_clear(&f->scratch);
			record_times(&f->scratch, now->mono_ns, now->real_ns);
			record_loss(&f->scratch, what_name(what), loss_why_names[why],
				    f->lost[why][what]);
			append(f, RECORD_LOSS, f->scratch.data, f->scratch.len);
			f->lost[why][what] = 0;
		}
	}
	f->unreported = false;
}

static void lose(struct feed *f, enum record_type type)
{
	/* Nothing but an error keeps a file from taking what it is given. */
	f->lost[f->kind == FEED_FILE ? LOSS_WRITE_ERROR : LOSS_SLOW_READER][type]++;
	f->unreported = true;
	f->lost_total++;
}

void feed_put(struct feed *f, const struct record *r)
{
	if (f->error)
		return;
	if (r->type != RECORD_BYE && !has_room(f, r->body.len)) {
		lose(f, r->type);
		return;
	}
	feed_answer(f, r);
}

void feed_answer(struct feed *f, const struct record *r)
{
	if (f->error)
		return;
	feed_report_losses(f, r);
	append(f, r->type, r->body.data, r->body.len);
	if (f->out.failed)
		f->error = -ENOMEM;
	else if (feed_backlog(f) >= f->left + WRITE_BYTES) /* a reader that is behind is not tried for each */
		feed_flush(f);
}

void feed_offer(struct feed *f, const struct record *r, const struct filter_subject *subject)
{
	struct feed_tally *t = &f->tally[r->type];
	uint64_t lost = f->lost_total;

	if (subject && !filter_match(&f->filter, subject)) {
		t->filtered++;
		return;
	}
	feed_put(f, r);
	if (f->lost_total != lost)
		t->lost++;
	else
		t->records++;
}

void feed_totals(const struct feed *f, struct feed_totals *totals)
{
	totals->id = *f->id ? f->id : NULL;
	totals->records = f->seq;
	totals->lost = f->lost_total;
	memcpy(totals->of, f->tally, sizeof(totals->of));
}

bool feed_is_full(const struct feed *f)
{
	return feed_backlog(f) > BACKLOG_BYTES;
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

static void write_stream(struct feed *f)
{
	while (!f->error && feed_backlog(f)) {
		ssize_t n = write_some(f, f->out.data + f->sent, feed_backlog(f));

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0)
			f->error = -errno;
		else
			f->sent += (size_t)n;
		f->taken += n > 0 ? (uint64_t)n : 0;
	}
}

/* What is written up to the end of a record: out begins with a whole one. */
static size_t written_whole(const struct feed *f)
{
	const char *end = f->sent ? memrchr(f->out.data, '\n', f->sent) : NULL;

	return end ? (size_t)(end - f->out.data) + 1 : 0;
}

/*
 * The file took part of a record: leave it with whole ones. Where even that needs space that is
 * not there, the record is finished when there is some.
 */
static void cut_back(struct feed *f)
{
	size_t whole = written_whole(f);
	struct stat st;

	if (whole == f->sent || fstat(f->fd, &st) != 0)
		return;
	st.st_size -= (off_t)(f->sent - whole);
	if (ftruncate(f->fd, st.st_size) != 0)
		return;
	lseek(f->fd, st.st_size, SEEK_SET); /* a standard output that does not append */
	f->sent = whole;
}

static int write_whole(struct feed *f, size_t len)
{
	size_t end = f->sent + len;

	while (f->sent < end) {
		ssize_t n = write_some(f, f->out.data + f->sent, end - f->sent);

		if (n <= 0) {
			int err = n ? -errno : -EIO;

			cut_back(f);
			return err;
		}
		f->sent += (size_t)n;
	}
	return 0;
}

/* Whole records of what waits: as many as `max` bytes hold, but at least one. */
static size_t next_records(const struct feed *f, size_t max)
{
	const char *data = f->out.data + f->sent, *end;

	if (feed_backlog(f) <= max)
		return feed_backlog(f);
	end = memrchr(data, '\n', max);
	if (!end)
		end = memchr(data + max, '\n', feed_backlog(f) - max);
	return (size_t)(end - data) + 1;
}

/*
 * Is there room for so much more, and then for the end of the feed? Asked without a byte that others
 * could see, because who follows the file would take one that grows and is cut back again and again
 * for a new one.
 */
static int reserve(const struct feed *f, size_t len)
{
	struct stat st;

	len += f->ending ? 0 : LAST_BYTES;
	if (fstat(f->fd, &st) == 0 &&
	    fallocate(f->fd, FALLOC_FL_KEEP_SIZE, st.st_size, (off_t)len) != 0 &&
	    (errno == ENOSPC || errno == EDQUOT))
		return -errno;
	return 0; /* or unknown: writing will show */
}

static int end_line(struct feed *f)
{
	if (f->within_line && write_some(f, "\n", 1) != 1)
		return -errno;
	f->within_line = false;
	return 0;
}

static uint64_t lines(const char *data, size_t len)
{
	uint64_t count = 0;

	for (size_t i = 0; i < len; i++)
		count += data[i] == '\n';
	return count;
}

/* Behind what waits, for its numbers are given out already. */
static void append_rotation(struct feed *f, const struct rotation_report *r)
{
	buf_clear(&f->scratch);
	record_times(&f->scratch, r->mono_ns, r->real_ns);
	record_rotation(&f->scratch, r->ended, r->ended_span.first, r->ended_span.last, r->removed,
			r->removed_span.first, r->removed_span.last);
	append(f, RECORD_ROTATION, f->scratch.data, f->scratch.len);
}

/* The next record does not fit into the file: begin another. */
static int rotate(struct feed *f)
{
	const uint64_t written = f->seq - lines(f->out.data + f->sent, feed_backlog(f));
	struct rotation_report report;
	int fd = rotation_next(f->rotation, (struct rotation_span){ f->first_seq, written }, &report), err;

	if (fd < 0)
		return fd;
	err = dup3(fd, f->fd, O_CLOEXEC) < 0 ? -errno : 0; /* who watches it goes on */
	close(fd);
	if (err)
		return err;
	f->first_seq = written + 1;
	append_rotation(f, &report);
	return 0;
}

/* Of the next `len` bytes, which are whole records: as many as the file may take, or another one. */
static int fit(struct feed *f, size_t *len)
{
	uint64_t max = f->rotation ? rotation_max(f->rotation) : 0, room;
	struct stat st;
	int err;

	if (!f->rotation || fstat(f->fd, &st) != 0)
		return 0;
	room = (uint64_t)st.st_size < max ? max - (uint64_t)st.st_size : 0;
	if (*len <= room)
		return 0;
	*len = next_records(f, room);
	if (*len <= room || !st.st_size)
		return 0;
	err = rotate(f);
	if (!err)
		*len = next_records(f, *len < max ? *len : max);
	return err;
}

static int write_file(struct feed *f)
{
	bool careful = f->write_error;
	int err = end_line(f);

	while (!err && feed_backlog(f)) {
		size_t len = careful ? next_records(f, WRITE_BYTES) : feed_backlog(f);

		err = fit(f, &len);
		if (!err && careful && reserve(f, len)) {
			len = next_records(f, 0);
			err = reserve(f, len);
		}
		if (!err)
			err = write_whole(f, len);
	}
	return err;
}

static void forget_written(struct feed *f)
{
	size_t done = f->kind == FEED_FILE ? written_whole(f) : f->sent;

	if (f->out.len > f->most)
		f->most = f->out.len;
	if (done < f->out.len && done < BACKLOG_BYTES / 2)
		return;
	buf_consume(&f->out, done);
	f->sent -= done;
}

void feed_tidy(struct feed *f)
{
	if (!f->out.len && f->out.cap > KEEP_BYTES && f->most <= f->out.cap / 4)
		buf_free(&f->out);
	f->most = f->out.len;
}

static void flush_file(struct feed *f)
{
	int err = write_file(f);

	if (err && !f->write_error)
		f->lost_before = f->lost_total;
	f->write_error = err;
}

int feed_flush(struct feed *f)
{
	if (f->kind != FEED_FILE)
		write_stream(f);
	else if (!f->write_error && !f->error)
		flush_file(f);
	forget_written(f);
	f->left = feed_backlog(f);
	return f->error;
}

int feed_retry(struct feed *f)
{
	if (f->write_error)
		flush_file(f);
	return feed_flush(f);
}

int feed_write_error(const struct feed *f)
{
	return f->write_error;
}

void feed_replace_fd(struct feed *f, int fd, enum feed_kind kind)
{
	if (f->kind == FEED_FILE) {
		cut_back(f);
		f->sent = written_whole(f); /* what is not whole there begins anew here */
	}
	close(f->fd);
	f->fd = fd;
	f->kind = kind;
	f->first_seq = f->seq + 1 - lines(f->out.data + f->sent, feed_backlog(f));
	if (f->rotation)
		rotation_forget(f->rotation);
	f->within_line = false;
	if (kind != FEED_FILE)
		f->write_error = 0;
}

/* Count a record of the backlog as lost; one that reports losses is not reported. */
static void lose_written(struct feed *f, const char *line, size_t len)
{
	cJSON *r = cJSON_ParseWithLength(line, len);
	const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(r, "type"));
	const char *what = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(r, "what"));
	const char *why = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(r, "why"));
	enum record_type of = type ? record_type_of(type, strlen(type)) : RECORD_OTHER;
	int lost = what_index(what);
	int reason = why ? name_index(loss_why_names, LOSS_WHYS, why, strlen(why)) : -1;

	if (of == RECORD_LOSS && lost >= 0 && reason >= 0) {
		f->lost[reason][lost] += (uint64_t)cJSON_GetNumberValue(
			cJSON_GetObjectItemCaseSensitive(r, "count"));
		f->unreported = true;
	} else if (of != RECORD_OTHER) {
		lose(f, of);
		f->tally[of].records--; /* a file holds nothing that was not offered */
		f->tally[of].lost++;
	}
	cJSON_Delete(r);
}

/* Nothing is said after `bye`, so that what is still to come goes into one file. */
static void rotate_before_end(struct feed *f)
{
	struct stat st;

	if (!f->rotation || f->write_error || feed_backlog(f) || fstat(f->fd, &st) != 0 ||
	    (uint64_t)st.st_size + LAST_BYTES <= rotation_max(f->rotation))
		return;
	f->write_error = rotate(f);
	feed_retry(f);
}

void feed_give_up(struct feed *f)
{
	size_t at;
	uint64_t records;

	rotate_before_end(f);
	at = written_whole(f);
	records = lines(f->out.data + at, f->out.len - at);
	f->ending = true;
	if (!f->write_error || records == f->seq)
		return; /* a file without hello can do without what follows */
	f->within_line |= f->sent > at;
	while (at < f->out.len) {
		const char *line = f->out.data + at;
		size_t len = (size_t)((char *)memchr(line, '\n', f->out.len - at) - line) + 1;

		lose_written(f, line, len);
		at += len;
	}
	f->seq -= records;
	f->sent = 0;
	buf_clear(&f->out);
}

bool feed_waits(const struct feed *f)
{
	return !f->error && !f->write_error && feed_backlog(f);
}

uint64_t feed_taken(const struct feed *f)
{
	return f->taken;
}

uint64_t feed_records(const struct feed *f)
{
	return f->seq;
}

uint64_t feed_lost(const struct feed *f)
{
	return f->lost_total;
}

uint64_t feed_lost_lately(const struct feed *f)
{
	return f->lost_total - f->lost_before;
}
