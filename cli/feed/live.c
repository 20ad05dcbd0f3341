// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/live.h"
#include "cli/feed/ask.h"
#include "cli/text/output.h"
#include "cli/feed/reader.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define INTERVAL_NS NSEC_PER_SEC
#define NEVER UINT64_MAX

struct live {
	const struct options *options;
	const struct live_ops *ops;
	void *view;
	struct style style;
	struct output out;
	struct signals signals;
	struct ask *ask; /* NULL: the view looks itself */
	bool redrawn; /* in place, again and again */
	size_t lines; /* of what stands on the terminal now */
	uint64_t drawn_at;
	uint64_t pause_ns; /* between two looks */
};

size_t live_replace(struct buf *b, const struct buf *text, size_t before)
{
	size_t lines = 0;

	if (before)
		buf_format(b, "\033[%zuA\r", before);
	for (size_t i = 0, end; i < text->len; i = end + 1, lines++) {
		const char *newline = memchr(text->data + i, '\n', text->len - i);

		end = newline ? (size_t)(newline - text->data) : text->len;
		buf_mem(b, text->data + i, end - i);
		buf_lit(b, "\033[K\n");
	}
	buf_lit(b, "\033[J");
	return lines;
}

static void put_json(struct live *v)
{
	struct buf text = { 0 };

	v->ops->json(v->view, &text);
	output_json(&v->out, v->style.terminal, text.data, text.len);
	v->out.buf.failed = v->out.buf.failed || text.failed;
	buf_free(&text);
}

static void draw(struct live *v)
{
	struct buf text = { 0 };

	if (v->options->json) {
		put_json(v);
		return;
	}
	if (!v->redrawn) {
		v->ops->draw(v->view, &v->out.buf, &v->style, SIZE_MAX);
		return;
	}
	/* Less the line of the cursor. */
	v->ops->draw(v->view, &text, &v->style, v->style.rows > 2 ? v->style.rows - 1 : 1);
	v->lines = live_replace(&v->out.buf, &text, v->lines);
	v->out.buf.failed = v->out.buf.failed || text.failed;
	v->drawn_at = clock_mono_ns();
	buf_free(&text);
}

/* Where lines were wrapped nobody knows how many there are. */
static void start_over(struct live *v)
{
	terminal_resize(&v->style);
	if (!v->redrawn || !v->lines)
		return;
	buf_lit(&v->out.buf, "\033[H\033[2J");
	v->lines = 0;
}

static void take_answer(void *ctx, const struct record *r, const char *line, size_t len)
{
	struct live *v = ctx;

	v->ops->record(v->view, r, line, len);
}

/* Records of a pipe come over time: `ssh host tcpshaked | tcpshake listeners --from -`. */
static void take_recorded(void *ctx, const struct record *r, const char *line, size_t len)
{
	struct live *v = ctx;

	v->ops->record(v->view, r, line, len);
	if (v->redrawn && clock_mono_ns() - v->drawn_at >= INTERVAL_NS)
		draw(v);
}

static void take_resize(void *ctx)
{
	struct live *v = ctx;

	start_over(v);
	if (v->redrawn && v->lines)
		draw(v);
}

static enum exit_status run_recording(struct live *v)
{
	const struct reader_ops ops = { .record = take_recorded, .resized = take_resize, .silent = !v->redrawn };
	struct input_report report = { 0 };
	enum exit_status status;

	v->drawn_at = clock_mono_ns();
	status = reader_run(v->options, &v->out, &ops, v, &report);
	if (!v->out.closed && (report.lines || status == STATUS_OK)) {
		draw(v);
		if (output_print(&v->out) < 0)
			status = STATUS_FAILED;
	}
	return status;
}

/* 0 to go on; -EINTR at a good end; another negative errno after one line on stderr. */
static int flush(struct live *v)
{
	int err = output_flush(&v->out, &v->signals);

	if (v->out.closed)
		return -EINTR;
	if (err && err != -EINTR)
		log_error("cannot write to standard output: %s", strerror(-err));
	return err;
}

static int look_and_draw(struct live *v)
{
	int err;

	if (v->ask) {
		v->ops->clear(v->view);
		err = ask_question(v->ask, v->ops->question, take_answer, v);
	} else {
		err = v->ops->look(v->view, &v->pause_ns);
	}
	if (err)
		return err;
	draw(v);
	return flush(v);
}

/* As ask_wait(), where nobody is asked. */
static int wait_alone(struct live *v, uint64_t until_ns)
{
	struct pollfd fds[] = {
		{ .fd = v->signals.fd, .events = POLLIN },
		{ .fd = STDOUT_FILENO }, /* for an end of its reader */
	};
	uint64_t now;

	while (!v->signals.resized && (now = clock_mono_ns()) < until_ns) {
		uint64_t ms = (until_ns - now) / NSEC_PER_MSEC + 1;

		if (poll(fds, 2, ms > 60000 ? 60000 : (int)ms) < 0 && errno != EINTR)
			return -errno;
		signals_read(&v->signals);
		if (v->signals.stops || fds[1].revents & (POLLERR | POLLHUP))
			return -EINTR;
	}
	return v->signals.resized;
}

static int wait_for(struct live *v, uint64_t until_ns)
{
	int ready;

	while ((ready = v->ask ? ask_wait(v->ask, until_ns) : wait_alone(v, until_ns)) > 0) {
		v->signals.resized = false;
		start_over(v);
		if (v->redrawn && v->lines == 0 && v->drawn_at)
			draw(v);
		ready = flush(v);
		if (ready)
			return ready;
	}
	return ready;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int run_live(struct live *v)
{
	uint64_t now = clock_mono_ns(), duration = v->options->duration_ns;
	uint64_t stop_at = duration && duration < NEVER - now ? now + duration : NEVER;
	int err = 0;

	/* Once: after having watched for as long as was asked, or as it takes. */
	if (!v->redrawn && duration)
		err = wait_for(v, stop_at);
	else if (!v->redrawn && v->ask && input_state(ask_input(v->ask))->private)
		err = wait_for(v, now + v->ops->settle_ms * NSEC_PER_MSEC);
	if (!err && v->ops->first && !v->options->json)
		err = ask_question(v->ask, v->ops->first, take_answer, v);
	for (uint64_t next = clock_mono_ns(); !err;) {
		err = look_and_draw(v);
		now = clock_mono_ns();
		if (err || !v->redrawn || now >= stop_at)
			break;
		next += v->pause_ns;
		if (next < now) /* it has fallen behind */
			next = now;
		err = wait_for(v, min_u64(next, stop_at));
		/* A daemon is asked for its last numbers; a look of one's own may take long. */
		if (!v->ask && clock_mono_ns() >= stop_at)
			break;
	}
	return err;
}

static enum exit_status run_now(struct live *v)
{
	enum exit_status status = STATUS_FAILED;
	int err = signals_init(&v->signals);

	if (err) {
		log_error("cannot take signals: %s", strerror(-err));
		return STATUS_FAILED;
	}
	v->ask = v->ops->question ? ask_open(v->options, &v->signals) : NULL;
	if (v->ask || !v->ops->question) {
		err = run_live(v);
		if (err == 0 || err == -EINTR)
			status = STATUS_OK;
	} else if (v->signals.stops) {
		status = STATUS_OK;
	}
	ask_close(v->ask);
	close(v->signals.fd);
	return status;
}

enum exit_status live_run(const struct options *o, const struct live_ops *ops, void *view)
{
	struct live v = { .options = o, .ops = ops, .view = view, .pause_ns = INTERVAL_NS };
	enum exit_status status;

	terminal_detect(&v.style, o->color);
	v.redrawn = v.style.motion && !o->once && !o->json;
	/* What is printed once is for reading or for a file: plain, unless colour was asked for. */
	if (!v.redrawn && o->color != COLOR_ALWAYS)
		v.style.color = false;
	status = o->from ? run_recording(&v) : run_now(&v);
	buf_free(&v.out.buf);
	return status;
}
