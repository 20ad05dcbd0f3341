// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/follow.h"
#include "cli/feed/connect.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

/* A daemon hands records on within a tenth of a second (its reader's timer, and ours). */
#define HOLD_NS (200 * NSEC_PER_MSEC)
#define RETRY_NS NSEC_PER_SEC
/* Between two feeds of one recording nobody wants to wait. */
#define GAP_NS (10 * NSEC_PER_SEC)
#define NEVER UINT64_MAX

struct follow {
	struct options options; /* changed for a second try */
	const struct follow_ops *ops;
	void *ctx;
	enum follow_state state;
	struct input *input; /* NULL while it is gone */
	char name[200], trouble[500];
	bool recording; /* in a file */
	bool private;
	bool ever; /* a hello came */
	bool lost; /* the trouble is that the daemon has gone */
	uint64_t bad;
	uint64_t retry_at; /* CLOCK_MONOTONIC */
	uint64_t newest_ns; /* of all records */
	int64_t ahead_ns; /* of a pipe: how far the feed's clock is ahead of ours, at least */
	bool has_ahead;
};

/* ---- time ---- */

static uint64_t replayed_ns(const struct follow *f)
{
	return replay_now(input_replay(f->input), clock_mono_ns());
}

uint64_t follow_now(const struct follow *f)
{
	uint64_t now = clock_mono_ns(), replay;

	if (f->state == FOLLOW_ENDED)
		return (f->newest_ns / NSEC_PER_SEC + 1) * NSEC_PER_SEC;
	if (f->recording) {
		replay = replayed_ns(f);
		return replay == NEVER ? f->newest_ns : replay;
	}
	if (f->has_ahead)
		now = (uint64_t)((int64_t)now + f->ahead_ns);
	return now > HOLD_NS ? now - HOLD_NS : 0;
}

/* Records of another host come with its clock. */
static void learn_clock(struct follow *f, const struct record *r)
{
	int64_t ahead = (int64_t)r->mono_ns - (int64_t)clock_mono_ns();

	if (input_state(f->input)->live || f->recording || !r->mono_ns)
		return;
	if (!f->has_ahead || ahead > f->ahead_ns)
		f->ahead_ns = ahead;
	f->has_ahead = true;
}

/* ---- records ---- */

static void take_record(void *ctx, const struct record *r, const char *line, size_t len)
{
	struct follow *f = ctx;
	char why[201];

	(void)line;
	(void)len;
	learn_clock(f, r);
	if (r->mono_ns > f->newest_ns)
		f->newest_ns = r->mono_ns;
	if (r->type == RECORD_HELLO) {
		f->ever = true;
		if (f->lost)
			*f->trouble = '\0';
		f->lost = false;
	}
	if (r->type == RECORD_END && !r->end.ok)
		snprintf(f->trouble, sizeof(f->trouble), "%s refused: %s", f->name,
			 input_refusal(&r->end, why, sizeof(why)));
	if (f->state == FOLLOW_WAITING)
		f->state = FOLLOW_LIVE;
	f->ops->record(f->ctx, r, follow_now(f));
}

/* Only the first is worth a line; the daemon was writing the last when somebody copied it. */
static void take_trouble(void *ctx, enum input_trouble what, uint64_t line, const char *why)
{
	struct follow *f = ctx;
	unsigned long long number = line;

	if (what == INPUT_BAD || what == INPUT_OVERSIZED)
		f->bad++;
	if (what == INPUT_BAD && f->bad == 1)
		snprintf(f->trouble, sizeof(f->trouble), "line %llu is skipped: %s", number, why);
	else if (what == INPUT_CUT_LINE)
		snprintf(f->trouble, sizeof(f->trouble), "the last line, %llu, is cut off and skipped",
			 number);
	else if (what == INPUT_CUT_DATA)
		snprintf(f->trouble, sizeof(f->trouble), "%s is cut off", f->name);
	else if (what == INPUT_DAMAGED_SEGMENT)
		snprintf(f->trouble, sizeof(f->trouble), "%s", why);
	if (what != INPUT_DAMAGED)
		return;
	if (f->ops->logs)
		f->ops->logs(f->ctx);
	log_error("cannot read %s: %s", f->name, why);
}

/* ---- opening, and opening again ---- */

static bool open_input(struct follow *f)
{
	static const struct input_ops ops = { .record = take_record, .trouble = take_trouble };

	f->input = input_open(&f->options, NULL, &ops, f);
	if (!f->input)
		return false;
	f->private = input_state(f->input)->private;
	f->recording = input_state(f->input)->file;
	input_replay(f->input)->gap_ns = GAP_NS;
	/* What comes through a pipe comes at its own pace. */
	if (!f->recording)
		input_replay(f->input)->speed = 0;
	/*
	 * A feed of our own daemon begins with all listeners; that of one that runs already is silent about
	 * idle ones. If it has gone already, reading says so.
	 */
	(void)input_ask(f->input, "listeners");
	snprintf(f->name, sizeof(f->name), "%s", input_state(f->input)->name);
	f->state = f->recording ? FOLLOW_REPLAY : FOLLOW_WAITING;
	return true;
}

struct follow *follow_open(const struct options *o, const struct follow_ops *ops, void *ctx)
{
	struct follow *f = calloc(1, sizeof(*f));

	if (!f) {
		log_error("out of memory");
		return NULL;
	}
	f->options = *o;
	f->ops = ops;
	f->ctx = ctx;
	if (open_input(f))
		return f;
	follow_close(f);
	return NULL;
}

/* The daemon ended: what was a daemon of the host's is waited for, our own is started again. */
static void lose_input(struct follow *f)
{
	if (f->private && !f->ever) {
		f->state = FOLLOW_FAILED;
		return;
	}
	if (!*f->trouble || input_state(f->input)->hello)
		snprintf(f->trouble, sizeof(f->trouble), "%s, trying again each second: %s",
			 input_state(f->input)->bye ? "ended" : "died", f->name);
	f->lost = true;
	if (!f->private)
		f->options.socket_given = true;
	input_close(f->input, true);
	f->input = NULL;
	f->state = FOLLOW_GONE;
	f->retry_at = clock_mono_ns() + RETRY_NS;
}

static void try_again(struct follow *f)
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
	open_input(f);
}

bool follow_run(struct follow *f, bool readable)
{
	bool some = false;

	if (f->state == FOLLOW_GONE && clock_mono_ns() >= f->retry_at)
		try_again(f);
	if (f->input && f->state < FOLLOW_ENDED)
		some = input_run(f->input, readable);
	if (!f->input || !input_state(f->input)->over || f->state >= FOLLOW_ENDED)
		return some;
	if (input_state(f->input)->failed)
		f->state = FOLLOW_FAILED;
	else if (input_state(f->input)->live)
		lose_input(f);
	else
		f->state = FOLLOW_ENDED;
	return true;
}

int follow_fd(const struct follow *f)
{
	return f->input && f->state < FOLLOW_ENDED ? input_fd(f->input) : -1;
}

int follow_timeout_ms(const struct follow *f)
{
	uint64_t now = clock_mono_ns(), next = NEVER, wait;

	if (f->state == FOLLOW_GONE)
		next = f->retry_at;
	else if (f->input && f->state < FOLLOW_ENDED)
		next = input_due_at(f->input);
	if (next == NEVER)
		return -1;
	wait = next > now ? (next - now) / NSEC_PER_MSEC + 1 : 0;
	return wait < INT_MAX ? (int)wait : INT_MAX;
}

/* ---- a recording's ---- */

void follow_hold(struct follow *f, bool hold)
{
	struct replay *replay;
	uint64_t now = follow_now(f);

	if (!f->recording || input_replay(f->input)->held == hold)
		return;
	replay = input_replay(f->input);
	replay->held = hold;
	replay_set(replay, now, clock_mono_ns());
}

static void rewind_to(struct follow *f, uint64_t to_ns)
{
	if (!input_rewind(f->input)) {
		f->state = input_state(f->input)->failed ? FOLLOW_FAILED : f->state;
		return;
	}
	f->newest_ns = 0;
	f->state = FOLLOW_REPLAY;
	replay_set(input_replay(f->input), to_ns, clock_mono_ns());
	f->ops->again(f->ctx);
}

void follow_seek(struct follow *f, int seconds)
{
	uint64_t now = follow_now(f), by;

	if (!f->recording || !seconds)
		return;
	by = (uint64_t)(seconds < 0 ? -seconds : seconds) * NSEC_PER_SEC;
	if (seconds < 0)
		rewind_to(f, now > by ? now - by : 1);
	else if (f->state == FOLLOW_REPLAY)
		replay_set(input_replay(f->input), now + by, clock_mono_ns());
}

/* ---- the rest ---- */

enum follow_state follow_state(const struct follow *f)
{
	return f->state;
}

bool follow_is_recording(const struct follow *f)
{
	return f->recording;
}

uint64_t follow_share(const struct follow *f, uint64_t *records)
{
	*records = input_report(f->input)->lines;
	return input_share(f->input);
}

const char *follow_name(const struct follow *f)
{
	return f->name;
}

const char *follow_trouble(const struct follow *f)
{
	return f->trouble;
}

void follow_close(struct follow *f)
{
	if (!f)
		return;
	if (f->input) {
		input_drain(f->input);
		input_close(f->input, true);
	}
	free(f);
}
