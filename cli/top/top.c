// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The view `top`: the loop between the feed, the keys and the screen. */
#include "cli/text/progress.h"
#include "cli/text/signals.h"
#include "cli/text/terminal.h"
#include "cli/top/draw/draw.h"
#include "cli/feed/follow.h"
#include "cli/top/terminal/guard.h"
#include "cli/top/terminal/screen.h"
#include "cli/top/terminal/stderr.h"
#include "cli/view.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

/* The screen is sampled, the numbers are not: nobody reads faster than this. */
#define FRAME_NS (250 * NSEC_PER_MSEC)
#define MESSAGE_NS (6 * NSEC_PER_SEC)
#define ONCE_NS (10 * NSEC_PER_SEC)
#define REPORT_COLUMNS 160
#define NEVER UINT64_MAX

struct top {
	const struct options *options;
	struct top_ui ui;
	struct top_model *model;
	struct top_model *frozen; /* what a paused screen shows; NULL: the model */
	uint64_t frozen_ns;
	uint64_t held_back; /* records since */
	struct top_query *queries[TOP_TABLES];
	struct top_canvas canvas;
	struct follow *feed;
	struct signals signals;
	struct progress progress; /* with --once */
	char message[500], state[64];
	enum top_paint message_paint;
	uint64_t message_until; /* CLOCK_MONOTONIC; 0: there is none */
	uint64_t stop_at; /* or NEVER */
	uint64_t drawn_at, drawn_second;
	enum follow_state drawn_state;
	bool changed; /* since it was drawn */
	bool gone; /* the terminal */
};

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void __attribute__((format(printf, 3, 4)))
say(struct top *t, enum top_paint paint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(t->message, sizeof(t->message), format, args);
	va_end(args);
	t->message_paint = paint;
	t->message_until = clock_mono_ns() + MESSAGE_NS;
	t->changed = true;
}

/* ---- what comes ---- */

static void take_record(void *ctx, const struct record *r, uint64_t now_ns)
{
	struct top *t = ctx;

	top_model_add(t->model, r, now_ns);
	t->held_back += t->frozen != NULL;
	t->changed = true;
}

static void take_again(void *ctx)
{
	struct top *t = ctx;

	top_model_clear(t->model);
	t->ui.mode = TOP_MAIN;
	memset(t->ui.chosen, 0, sizeof(t->ui.chosen));
}

static void take_logs(void *ctx)
{
	struct top *t = ctx;

	progress_clear(&t->progress);
}

/* ---- what is shown ---- */

static void set_state(struct top *t, struct top_view *v)
{
	static const struct {
		const char *name;
		enum top_paint paint;
	} states[] = {
		[FOLLOW_WAITING] = { "waiting", TOP_DIM }, [FOLLOW_LIVE] = { "live", TOP_GOOD },
		[FOLLOW_GONE] = { "NO DAEMON", TOP_LOUD }, [FOLLOW_REPLAY] = { "replay", TOP_GOOD },
		[FOLLOW_ENDED] = { "end", TOP_ACCENT }, [FOLLOW_FAILED] = { "failed", TOP_LOUD },
	};
	enum follow_state state = follow_state(t->feed);

	snprintf(t->state, sizeof(t->state), "%s", states[state].name);
	v->state_paint = states[state].paint;
	if (state == FOLLOW_REPLAY && t->options->speed != 1)
		snprintf(t->state, sizeof(t->state), "replay x%g", t->options->speed);
	if (t->ui.paused) {
		v->state_paint = TOP_ACTIVE;
		if (t->frozen)
			snprintf(t->state, sizeof(t->state), "paused, %llu since",
				 (unsigned long long)t->held_back);
		else
			snprintf(t->state, sizeof(t->state), "paused");
	}
	v->state = t->state;
}

static struct top_view view_of(struct top *t)
{
	struct top_view v = {
		.model = t->frozen ? t->frozen : t->model,
		.ui = &t->ui,
		.now_ns = t->frozen ? t->frozen_ns : follow_now(t->feed),
	};

	memcpy(v.queries, t->queries, sizeof(v.queries));
	set_state(t, &v);
	if (t->message_until > clock_mono_ns()) {
		v.message = t->message;
		v.message_paint = t->message_paint;
	} else if (*follow_trouble(t->feed)) {
		v.message = follow_trouble(t->feed);
		v.message_paint = TOP_BAD;
	}
	return v;
}

static void draw(struct top *t)
{
	struct top_view v = view_of(t);

	top_draw(&t->canvas, &v);
	top_screen_show(&t->canvas);
	t->drawn_at = clock_mono_ns();
	t->drawn_second = v.now_ns / NSEC_PER_SEC;
	t->drawn_state = follow_state(t->feed);
	t->ui.stale = false;
	t->changed = false;
}

/* All of it as text: for a file, or once. */
static int report(struct top *t, FILE *to)
{
	struct top_canvas c = { .utf8 = t->canvas.utf8 };
	struct top_view v = view_of(t);
	struct buf text = { 0 };
	int err = top_draw_report(&c, &v, c.columns > REPORT_COLUMNS ? c.columns : REPORT_COLUMNS);

	if (!err) {
		top_canvas_text(&c, &text);
		err = text.failed ? -ENOMEM : 0;
	}
	if (!err && (fwrite(text.data, 1, text.len, to) != text.len || fflush(to)))
		err = -errno;
	buf_free(&text);
	top_canvas_free(&c);
	return err;
}

static void freeze(struct top *t)
{
	char name[64];
	time_t now = time(NULL);
	struct tm tm;
	FILE *file;
	int err;

	strftime(name, sizeof(name), "tcpshake-top-%Y%m%d-%H%M%S.txt", localtime_r(&now, &tm));
	file = fopen(name, "wxe");
	err = file ? report(t, file) : -errno;
	if (file && fclose(file) && !err)
		err = -errno;
	if (err)
		say(t, TOP_BAD, "cannot write %s: %s", name, strerror(-err));
	else
		say(t, TOP_GOOD, "written to %s", name);
}

/* ---- what the keys want ---- */

static void pause_or_go_on(struct top *t, bool paused)
{
	if (follow_is_recording(t->feed)) {
		follow_hold(t->feed, paused);
		return;
	}
	top_model_free(t->frozen);
	t->frozen = NULL;
	t->held_back = 0;
	if (!paused)
		return;
	t->frozen_ns = follow_now(t->feed);
	t->frozen = top_model_copy(t->model);
	if (t->frozen)
		return;
	t->ui.paused = false;
	say(t, TOP_BAD, "cannot hold the screen: out of memory");
}

static void obey(struct top *t, bool was_paused)
{
	struct top_ui *ui = &t->ui;

	if (ui->paused != was_paused)
		pause_or_go_on(t, ui->paused);
	if (ui->filter_changed) {
		top_model_set_filter(t->model, &ui->filter);
		if (t->frozen)
			top_model_set_filter(t->frozen, &ui->filter);
		ui->filter_changed = false;
		ui->mode = TOP_MAIN;
		memset(ui->chosen, 0, sizeof(ui->chosen));
	}
	if (ui->seek && !follow_is_recording(t->feed))
		say(t, TOP_WARN, "only a recording can be sought in: --from FILE");
	follow_seek(t->feed, ui->seek);
	ui->seek = 0;
	if (ui->freeze)
		freeze(t);
	if (ui->redraw)
		top_screen_forget();
	ui->freeze = ui->redraw = false;
}

/* What is chosen by the next key depends on what the last one brought. */
static void refresh_order(struct top *t)
{
	struct top_view v = view_of(t);

	top_draw(&t->canvas, &v);
	t->ui.stale = false;
}

static bool take_keys(struct top *t)
{
	bool any = false;
	uint32_t key;

	while (!t->ui.quit && (key = top_screen_key())) {
		bool was_paused = t->ui.paused;

		if (t->ui.stale)
			refresh_order(t);
		t->message_until = 0;
		top_ui_key(&t->ui, key);
		obey(t, was_paused);
		any = true;
	}
	return any;
}

static void suspend(struct top *t)
{
	t->signals.suspended = false;
	top_screen_leave();
	do
		signals_suspend();
	while (tcgetpgrp(STDOUT_FILENO) >= 0 && tcgetpgrp(STDOUT_FILENO) != getpgrp());
	top_screen_resize(&t->canvas);
}

static bool take_signals(struct top *t)
{
	bool any = t->signals.resized || t->signals.suspended;

	if (t->signals.suspended)
		suspend(t);
	if (t->signals.resized)
		top_screen_resize(&t->canvas);
	t->signals.resized = false;
	if (t->signals.stops)
		t->ui.quit = true;
	return any;
}

/* ---- the loop ---- */

/* When to look whether there is something to draw, in CLOCK_MONOTONIC. */
static uint64_t next_look(const struct top *t, uint64_t now)
{
	uint64_t next = t->message_until ? t->message_until : NEVER;
	enum follow_state state = follow_state(t->feed);

	if (t->changed)
		return t->drawn_at + FRAME_NS;
	/* The clock in the first line, and the windows with it; nothing moves while they stand still. */
	if (!t->ui.paused && state == FOLLOW_REPLAY)
		next = min_u64(next, now + FRAME_NS);
	else if (!t->ui.paused && state != FOLLOW_ENDED)
		next = min_u64(next, now + NSEC_PER_SEC - follow_now(t->feed) % NSEC_PER_SEC);
	return next;
}

static int timeout_ms(const struct top *t, bool screen)
{
	uint64_t now = clock_mono_ns(), next = t->stop_at, wait;
	int feed = follow_timeout_ms(t->feed), ms;

	if (screen)
		next = min_u64(next, next_look(t, now));
	wait = next > now ? next - now : 0;
	ms = wait / NSEC_PER_MSEC < INT_MAX - 1 ? (int)(wait / NSEC_PER_MSEC) + 1 : INT_MAX;
	if (next == NEVER)
		ms = -1;
	return feed >= 0 && (ms < 0 || feed < ms) ? feed : ms;
}

/* Wait for something, and take what came from the feed. The keys' readiness, or -1. */
static short wait_and_take(struct top *t, bool screen)
{
	struct pollfd fds[] = {
		{ .fd = screen ? top_screen_fd() : -1, .events = POLLIN },
		{ .fd = t->signals.fd, .events = POLLIN },
		{ .fd = follow_fd(t->feed), .events = POLLIN },
		{ .fd = top_stderr_fd(), .events = POLLIN },
	};

	if (poll(fds, 4, timeout_ms(t, screen)) < 0) {
		log_error("cannot wait for %s: %s", follow_name(t->feed), strerror(errno));
		return -1;
	}
	if (fds[1].revents)
		signals_read(&t->signals);
	if (fds[3].revents && top_stderr_read())
		say(t, TOP_WARN, "%s", top_stderr_last());
	follow_run(t->feed, fds[2].revents);
	if (clock_mono_ns() >= t->stop_at)
		t->ui.quit = true;
	return fds[0].revents;
}

static bool is_frame_due(struct top *t)
{
	uint64_t now = clock_mono_ns();
	uint64_t second = (t->frozen ? t->frozen_ns : follow_now(t->feed)) / NSEC_PER_SEC;

	if (t->message_until && now >= t->message_until) {
		t->message_until = 0;
		t->changed = true;
	}
	if (follow_state(t->feed) != t->drawn_state)
		t->changed = true;
	return now - t->drawn_at >= FRAME_NS && (t->changed || second != t->drawn_second);
}

static enum exit_status run_screen(struct top *t)
{
	draw(t);
	while (!t->ui.quit) {
		short ready = wait_and_take(t, true);
		bool now;

		if (ready < 0)
			return STATUS_FAILED;
		if (follow_state(t->feed) == FOLLOW_FAILED)
			return STATUS_FAILED;
		now = take_signals(t);
		/* Nobody looks any more. */
		if (ready & (POLLHUP | POLLERR | POLLNVAL))
			return STATUS_OK;
		if (ready & POLLIN)
			now = take_keys(t) || now;
		if (!t->ui.quit && (now || is_frame_due(t)))
			draw(t);
	}
	return STATUS_OK;
}

/* Somebody ended the reading of a recording. */
static void warn_interrupted(struct top *t)
{
	uint64_t records, share;

	if (!t->signals.stops || !t->options->from || follow_state(t->feed) == FOLLOW_ENDED)
		return;
	share = follow_share(t->feed, &records);
	progress_interrupted(follow_name(t->feed), records, share);
}

/* To the end of the feed, or until it was watched for long enough. */
static enum exit_status watch(struct top *t)
{
	uint64_t records, share;

	while (!t->ui.quit && follow_state(t->feed) != FOLLOW_ENDED) {
		if (wait_and_take(t, false) < 0)
			return STATUS_FAILED;
		t->ui.quit = t->ui.quit || t->signals.stops;
		if (follow_state(t->feed) == FOLLOW_REPLAY) {
			share = follow_share(t->feed, &records);
			progress_show(&t->progress, "reading", follow_name(t->feed), share, records);
		}
		if (follow_state(t->feed) == FOLLOW_FAILED)
			return STATUS_FAILED;
		if (follow_state(t->feed) == FOLLOW_GONE) {
			log_error("it %s", follow_trouble(t->feed));
			return STATUS_FAILED;
		}
	}
	return STATUS_OK;
}

static enum exit_status run_once(struct top *t)
{
	enum exit_status status;
	int err;

	t->progress = progress_begin();
	status = watch(t);
	progress_clear(&t->progress);
	if (status != STATUS_OK)
		return status;
	warn_interrupted(t);
	if (*follow_trouble(t->feed))
		log_warning("%s", follow_trouble(t->feed));
	err = report(t, stdout);
	/* `tcpshake top --once | head` has what it wanted. */
	if (!err || err == -EPIPE)
		return STATUS_OK;
	log_error("cannot write to standard output: %s", strerror(-err));
	return STATUS_FAILED;
}

static enum top_window window_of(const struct options *o)
{
	return o->window_number ? (enum top_window)(o->window_number - 1) :
	       o->once && o->from ? TOP_START : TOP_10S;
}

static bool open_all(struct top *t, struct options *o)
{
	static const struct follow_ops ops = { .record = take_record, .again = take_again, .logs = take_logs };
	bool ready;

	top_ui_init(&t->ui);
	t->ui.window = window_of(o);
	t->ui.filter.recorded = o->from != NULL;
	t->model = top_model_new();
	ready = t->model != NULL;
	for (int i = 0; i < TOP_TABLES; i++)
		ready = (t->queries[i] = top_query_new()) && ready;
	if (!ready) {
		log_error("out of memory");
		return false;
	}
	/* A daemon filters at its end, but for the listeners that it was asked for. */
	top_model_set_source_filter(t->model, &o->filter);
	if (o->once && !o->speed_given)
		o->speed = 0;
	t->feed = follow_open(o, &ops, t);
	if (o->once && !o->from && !o->duration_ns)
		o->duration_ns = ONCE_NS;
	t->stop_at = o->duration_ns ? clock_mono_ns() + o->duration_ns : NEVER;
	return t->feed != NULL;
}

static int run(void *ctx)
{
	struct options *o = ctx;
	struct top t = { .options = o, .signals.fd = -1 };
	enum exit_status status = STATUS_FAILED;
	struct style style;
	int err = signals_init(&t.signals);

	terminal_detect(&style, o->color);
	t.canvas.utf8 = style.utf8;
	if (!err && !o->once)
		err = signals_take_suspend(&t.signals);
	if (!err && !o->once)
		err = top_stderr_begin();
	if (err)
		log_error("cannot take signals: %s", strerror(-err));
	else if (open_all(&t, o) && (o->once || top_screen_open(o->color, &t.canvas) == 0))
		status = o->once ? run_once(&t) : run_screen(&t);
	top_screen_close();
	follow_close(t.feed);
	top_stderr_end(status != STATUS_OK);
	top_model_free(t.frozen);
	top_model_free(t.model);
	for (int i = 0; i < TOP_TABLES; i++)
		top_query_free(t.queries[i]);
	top_canvas_free(&t.canvas);
	top_ui_free(&t.ui);
	close(t.signals.fd);
	return (int)status;
}

enum exit_status top_run(const struct options *o)
{
	struct options options = *o;
	char why[160];

	if (!o->speed_given)
		options.speed = 1;
	if (o->once)
		return (enum exit_status)run(&options);
	if (!top_guard_can_draw(why, sizeof(why))) {
		log_error("%s; use --once, or the view tail", why);
		return STATUS_FAILED;
	}
	return (enum exit_status)top_guard_run(run, &options);
}
