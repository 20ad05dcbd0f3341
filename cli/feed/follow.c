// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/follow.h"
#include "cli/feed/connect.h"
#include "cli/feed/feed.h"
#include "cli/text/text.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/lines.h"
#include "common/log.h"

#define NSEC_PER_MSEC 1000000ULL
/* A daemon hands records on within a tenth of a second (its reader's timer, and ours). */
#define HOLD_NS (200 * NSEC_PER_MSEC)
#define RETRY_NS NSEC_PER_SEC
/* At a stretch, so that keys are not kept waiting. */
#define STRETCH_NS (20 * NSEC_PER_MSEC)
/* Between two feeds of one recording nobody wants to wait. */
#define GAP_NS (10 * NSEC_PER_SEC)
#define NEVER UINT64_MAX

struct top_feed {
	struct options options; /* changed for a second try */
	const struct top_feed_ops *ops;
	void *ctx;
	enum top_feed_state state;
	struct input *input; /* NULL while it is gone */
	struct lines *lines;
	struct unpack *unpack; /* of a recording */
	char name[200], trouble[500];
	bool recording; /* a regular file */
	bool private;
	bool bye, hello;
	bool ever; /* a hello came */
	bool lost; /* the trouble is that the daemon has gone */
	uint64_t bad;
	uint64_t retry_at; /* CLOCK_MONOTONIC */
	uint64_t newest_ns; /* of all records */
	int64_t ahead_ns; /* of a pipe: how far the feed's clock is ahead of ours, at least */
	bool has_ahead;
	/* A recording: at `local_ns` of our clock it is `base_ns` on its own. */
	uint64_t base_ns, local_ns;
	bool begun, held, busy;
	struct record next; /* not yet due */
	bool has_next;
};

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* ---- opening ---- */

static int take_input(struct top_feed *f)
{
	struct stat st;

	f->lines = input_lines(f->input, &f->unpack);
	if (!f->lines) {
		log_error("out of memory");
		return -1;
	}
	f->private = input_is_private(f->input);
	f->recording = !input_is_live(f->input) && fstat(input_fd(f->input), &st) == 0 &&
		       S_ISREG(st.st_mode);
	f->bye = f->hello = false;
	/* If it has gone already, reading says so. */
	(void)input_ask(f->input, "listeners");
	snprintf(f->name, sizeof(f->name), "%s", input_name(f->input));
	return 0;
}

struct top_feed *top_feed_open(const struct options *o, const struct top_feed_ops *ops, void *ctx)
{
	struct top_feed *f = calloc(1, sizeof(*f));

	if (!f) {
		log_error("out of memory");
		return NULL;
	}
	f->options = *o;
	f->ops = ops;
	f->ctx = ctx;
	f->input = input_open(o);
	if (f->input && take_input(f) == 0) {
		f->state = f->recording ? TOP_FEED_REPLAY : TOP_FEED_WAITING;
		return f;
	}
	top_feed_close(f);
	return NULL;
}

static void drop_input(struct top_feed *f)
{
	if (f->has_next)
		record_free(&f->next);
	f->has_next = false;
	lines_free(f->lines);
	unpack_free(f->unpack);
	f->lines = NULL;
	f->unpack = NULL;
	if (f->input)
		input_close(f->input, true);
	f->input = NULL;
}

/* The daemon ended: what was a daemon of the host's is waited for, our own is started again. */
static void lose_input(struct top_feed *f)
{
	bool live = input_is_live(f->input);

	if (!live) {
		f->state = TOP_FEED_ENDED;
		return;
	}
	if (f->private && !f->ever) {
		f->state = TOP_FEED_FAILED;
		return;
	}
	if (!*f->trouble || f->hello)
		snprintf(f->trouble, sizeof(f->trouble), "%s, trying again each second: %s",
			 f->bye ? "ended" : "died", f->name);
	f->lost = true;
	if (!f->private)
		f->options.socket_given = true;
	drop_input(f);
	f->state = TOP_FEED_GONE;
	f->retry_at = clock_mono_ns() + RETRY_NS;
}

static void try_again(struct top_feed *f)
{
	int fd;

	f->retry_at = clock_mono_ns() + RETRY_NS;
	if (!f->private) {
		/* Quietly: that it is not there is on the screen already. */
		fd = daemon_connect(f->options.socket);
		if (fd < 0)
			return;
		close(fd);
	}
	f->input = input_open(&f->options);
	if (!f->input)
		return;
	if (take_input(f) < 0) {
		drop_input(f);
		return;
	}
	f->state = TOP_FEED_WAITING;
}

/* ---- time ---- */

static uint64_t replay_ns(const struct top_feed *f)
{
	double passed = (double)(clock_mono_ns() - f->local_ns) * f->options.speed;

	if (!f->begun || f->held)
		return f->base_ns;
	if (f->options.speed <= 0)
		return NEVER;
	return f->base_ns + (uint64_t)passed;
}

static void set_replay(struct top_feed *f, uint64_t to_ns)
{
	f->base_ns = to_ns;
	f->local_ns = clock_mono_ns();
}

uint64_t top_feed_now(const struct top_feed *f)
{
	uint64_t now = clock_mono_ns(), replay;

	if (f->state == TOP_FEED_ENDED)
		return (f->newest_ns / NSEC_PER_SEC + 1) * NSEC_PER_SEC;
	if (f->recording) {
		replay = replay_ns(f);
		return replay == NEVER ? f->newest_ns : replay;
	}
	if (f->has_ahead)
		now = (uint64_t)((int64_t)now + f->ahead_ns);
	return now > HOLD_NS ? now - HOLD_NS : 0;
}

/* Records of another host come with its clock. */
static void learn_clock(struct top_feed *f, const struct record *r)
{
	int64_t ahead = (int64_t)r->mono_ns - (int64_t)clock_mono_ns();

	if (input_is_live(f->input) || f->recording || !r->mono_ns)
		return;
	if (!f->has_ahead || ahead > f->ahead_ns)
		f->ahead_ns = ahead;
	f->has_ahead = true;
}

/* ---- records ---- */

static void refused(struct top_feed *f, const struct record_end *end)
{
	struct buf why = { 0 };

	text_append(&why, end->error ? end->error : "it gives no reason", false);
	buf_mem(&why, "", 1);
	snprintf(f->trouble, sizeof(f->trouble), "%s refused: %.200s", f->name,
		 why.failed ? "?" : why.data);
	buf_free(&why);
}

static void take(struct top_feed *f, const struct record *r)
{
	learn_clock(f, r);
	f->newest_ns = max_u64(f->newest_ns, r->mono_ns);
	if (r->type == RECORD_HELLO) {
		f->hello = f->ever = true;
		if (f->lost)
			*f->trouble = '\0';
		f->lost = false;
	}
	if (r->type == RECORD_BYE)
		f->bye = true;
	if (r->type == RECORD_END && !r->end.ok)
		refused(f, &r->end);
	if (!f->recording && f->state == TOP_FEED_WAITING)
		f->state = TOP_FEED_LIVE;
	f->ops->record(f->ctx, r, top_feed_now(f));
}

/* Only the first is worth a line; the daemon was writing the last when somebody copied it. */
static void note_bad(struct top_feed *f, bool cut, const char *why)
{
	if (cut)
		snprintf(f->trouble, sizeof(f->trouble), "the last line, %llu, is cut off and skipped",
			 (unsigned long long)lines_number(f->lines));
	else if (f->bad++ == 0)
		snprintf(f->trouble, sizeof(f->trouble), "line %llu is skipped: %s",
			 (unsigned long long)lines_number(f->lines), why);
}

/* The next record, or false: there is no whole line. */
static bool parse_next(struct top_feed *f, struct record *r)
{
	enum line_kind kind;
	enum record_status status;
	const char *line;
	char why[160];
	size_t len;

	while ((kind = lines_next(f->lines, &line, &len)) != LINE_NONE) {
		if (kind == LINE_OVERSIZED) {
			f->bad++;
			continue;
		}
		if (!len)
			continue;
		status = record_parse(line, len, r, why, sizeof(why));
		if (status == RECORD_GOOD)
			return true;
		if (status == RECORD_FOREIGN) {
			log_error("%s, line %llu: %s; use the tcpshake of the daemon that wrote it",
				  f->name, (unsigned long long)lines_number(f->lines), why);
			f->state = TOP_FEED_FAILED;
			return false;
		}
		note_bad(f, kind == LINE_CUT, why);
	}
	return false;
}

static void fail_reading(struct top_feed *f, ssize_t err)
{
	log_error("cannot read %s: %s", f->name, strerror((int)-err));
	f->state = TOP_FEED_FAILED;
}

static bool run_live(struct top_feed *f)
{
	bool some = false;
	struct record r;
	ssize_t got;

	do { /* what is packed may be more than was read at once */
		got = lines_fill(f->lines);
		while (parse_next(f, &r)) {
			take(f, &r);
			record_free(&r);
			some = true;
		}
	} while (f->unpack && unpack_waits(f->unpack) && f->state != TOP_FEED_FAILED);
	if (got == -EAGAIN)
		return some;
	if (got < 0 && !input_is_live(f->input))
		fail_reading(f, got);
	else if (got <= 0 && f->state != TOP_FEED_FAILED)
		lose_input(f);
	return some;
}

/* Is it due? Where a feed begins, and after a gap between two of them, time goes on from there. */
static bool is_due(struct top_feed *f, const struct record *r)
{
	uint64_t now;

	if (!f->begun) {
		f->begun = true;
		if (!f->base_ns || f->base_ns < r->mono_ns)
			set_replay(f, r->mono_ns);
	}
	now = replay_ns(f);
	if (now != NEVER && r->type == RECORD_HELLO && f->newest_ns && !f->held &&
	    (r->mono_ns > now + GAP_NS || r->mono_ns + GAP_NS < f->newest_ns)) {
		set_replay(f, r->mono_ns);
		f->newest_ns = r->mono_ns;
		now = r->mono_ns;
	}
	return r->mono_ns <= now;
}

static bool next_recorded(struct top_feed *f)
{
	while (!f->has_next) {
		ssize_t got;

		if (parse_next(f, &f->next)) {
			f->has_next = true;
			break;
		}
		if (f->state == TOP_FEED_FAILED)
			return false;
		got = lines_fill(f->lines);
		if (got > 0 || got == -EAGAIN)
			continue;
		if (got < 0)
			fail_reading(f, got);
		else if (f->unpack && unpack_is_cut(f->unpack))
			snprintf(f->trouble, sizeof(f->trouble), "%s is cut off", f->name);
		/* A last line without its end. */
		f->has_next = parse_next(f, &f->next);
		return f->has_next;
	}
	return true;
}

static bool run_recording(struct top_feed *f)
{
	uint64_t until = clock_mono_ns() + STRETCH_NS;
	bool some = false;

	f->busy = false;
	for (unsigned count = 0; next_recorded(f); count++) {
		if (!is_due(f, &f->next))
			return some;
		take(f, &f->next);
		record_free(&f->next);
		f->has_next = false;
		some = true;
		if (count % 64 == 0 && clock_mono_ns() > until) {
			f->busy = true;
			return true;
		}
	}
	if (f->state != TOP_FEED_FAILED)
		f->state = TOP_FEED_ENDED;
	return true;
}

bool top_feed_run(struct top_feed *f, bool readable)
{
	if (f->state == TOP_FEED_GONE && clock_mono_ns() >= f->retry_at)
		try_again(f);
	if (f->state == TOP_FEED_REPLAY)
		return run_recording(f);
	if (readable && f->input && f->state < TOP_FEED_ENDED)
		return run_live(f);
	return false;
}

int top_feed_fd(const struct top_feed *f)
{
	return f->input && !f->recording && f->state < TOP_FEED_ENDED ? input_fd(f->input) : -1;
}

int top_feed_timeout_ms(const struct top_feed *f)
{
	uint64_t now = clock_mono_ns(), wait;

	if (f->state == TOP_FEED_GONE)
		return f->retry_at > now ? (int)((f->retry_at - now) / NSEC_PER_MSEC) + 1 : 0;
	if (f->state != TOP_FEED_REPLAY)
		return -1;
	if (f->busy || !f->has_next)
		return 0;
	if (f->held)
		return -1;
	wait = f->next.mono_ns > replay_ns(f) ? f->next.mono_ns - replay_ns(f) : 0;
	wait = (uint64_t)((double)wait / (f->options.speed > 0 ? f->options.speed : 1)) / NSEC_PER_MSEC;
	return wait < INT_MAX - 1 ? (int)wait + 1 : INT_MAX;
}

/* ---- a recording's ---- */

void top_feed_hold(struct top_feed *f, bool hold)
{
	uint64_t now = top_feed_now(f);

	if (!f->recording || f->held == hold)
		return;
	f->held = hold;
	set_replay(f, now);
}

static void rewind_to(struct top_feed *f, uint64_t to_ns)
{
	if (lseek(input_fd(f->input), 0, SEEK_SET) < 0)
		return;
	lines_free(f->lines);
	unpack_free(f->unpack);
	f->lines = input_lines(f->input, &f->unpack);
	if (!f->lines) {
		log_error("out of memory");
		f->state = TOP_FEED_FAILED;
		return;
	}
	if (f->has_next)
		record_free(&f->next);
	f->has_next = false;
	f->begun = false;
	f->newest_ns = 0;
	set_replay(f, to_ns);
	f->ops->again(f->ctx);
}

void top_feed_seek(struct top_feed *f, int seconds)
{
	uint64_t now = top_feed_now(f), by;

	if (!f->recording || !seconds)
		return;
	by = (uint64_t)(seconds < 0 ? -seconds : seconds) * NSEC_PER_SEC;
	if (seconds < 0) {
		rewind_to(f, now > by ? now - by : 1);
		f->state = TOP_FEED_REPLAY;
	} else if (f->state == TOP_FEED_REPLAY) {
		set_replay(f, now + by);
	}
	f->busy = true;
}

/* ---- the rest ---- */

enum top_feed_state top_feed_state(const struct top_feed *f)
{
	return f->state;
}

bool top_feed_is_recording(const struct top_feed *f)
{
	return f->recording;
}

const char *top_feed_name(const struct top_feed *f)
{
	return f->name;
}

uint64_t top_feed_bad(const struct top_feed *f)
{
	return f->bad;
}

const char *top_feed_trouble(const struct top_feed *f)
{
	return f->trouble;
}

/* A daemon of ours says bye and detaches its programs: nobody needs what it still has to say. */
static void drain(struct top_feed *f)
{
	int patience_ms;
	uint64_t until, now;

	if (!f->private || !input_stop(f->input, &patience_ms))
		return;
	until = clock_mono_ns() + (uint64_t)patience_ms * NSEC_PER_MSEC;
	while ((now = clock_mono_ns()) < until) {
		struct pollfd fd = { .fd = input_fd(f->input), .events = POLLIN };
		char data[65536];

		if (poll(&fd, 1, (int)((until - now) / NSEC_PER_MSEC) + 1) > 0 &&
		    read(fd.fd, data, sizeof(data)) <= 0)
			return;
	}
	input_kill(f->input);
}

void top_feed_close(struct top_feed *f)
{
	if (!f)
		return;
	if (f->input && f->lines)
		drain(f);
	drop_input(f);
	free(f);
}
