// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/reader.h"
#include "cli/feed/connect.h"
#include "cli/feed/wanted.h"
#include "cli/text/progress.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/lines.h"
#include "common/log.h"

#define HINT_AFTER_NS (3 * NSEC_PER_SEC)
#define NEVER UINT64_MAX

struct reader {
	const struct options *options;
	const struct reader_ops *ops;
	void *view;
	struct output *out;
	struct signals signals;
	struct input *input;
	struct progress progress;
	bool interrupted; /* before the end of a recording; so much of it was read */
	uint64_t share;
	uint64_t hint_at, stop_at, give_up_at, pass_at; /* CLOCK_MONOTONIC, or NEVER */
	bool ended; /* a daemon answered that it is the end */
	bool stopping; /* we asked for the end */
	bool failed; /* said so already */
};

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void fail(struct reader *r)
{
	r->failed = true;
	input_finish(r->input);
}

static void stop(struct reader *r)
{
	int patience_ms;

	if (r->stopping)
		return;
	r->stopping = true;
	r->interrupted = !input_state(r->input)->live && !r->out->closed;
	r->share = r->interrupted ? input_share(r->input) : 0;
	r->hint_at = r->stop_at = NEVER;
	if (input_stop(r->input, &patience_ms))
		r->give_up_at = clock_mono_ns() + (uint64_t)patience_ms * NSEC_PER_MSEC;
	else
		input_finish(r->input);
}

/* A person waiting at an idle host should know that it is the host that is idle. */
static void hint(struct reader *r)
{
	r->hint_at = NEVER;
	if (!input_state(r->input)->hello)
		log_info("no answer from %s yet", input_state(r->input)->name);
	else if (!filter_is_empty(&r->options->filter))
		log_info("no handshake that matches the filter yet; others are not shown");
	else
		log_info("no handshake yet; to make one: curl -s http://127.0.0.1/");
}

static void check_time(struct reader *r)
{
	uint64_t now = clock_mono_ns();

	if (now >= r->hint_at)
		hint(r);
	if (now >= r->stop_at)
		stop(r);
	if (now >= r->give_up_at) {
		if (input_kill(r->input))
			log_error("%s did not end in time and was killed; its last records are "
				  "missing", input_state(r->input)->name);
		input_finish(r->input);
	}
}

static int timeout_ms(const struct reader *r)
{
	uint64_t next = min_u64(r->hint_at, min_u64(r->stop_at, r->give_up_at));
	uint64_t now = clock_mono_ns(), ms;

	next = min_u64(next, min_u64(r->pass_at, input_due_at(r->input)));
	if (next == NEVER)
		return -1;
	ms = next > now ? (next - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC : 0;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

static uint64_t after(uint64_t now, uint64_t ns)
{
	return ns && ns < NEVER - now ? now + ns : NEVER;
}

/* Both clocks run from the moment that the daemon watches, not from when we asked it to. */
static void take_hello(struct reader *r)
{
	uint64_t now = clock_mono_ns();

	if (!input_state(r->input)->live || r->stopping)
		return;
	r->hint_at = after(now, HINT_AFTER_NS);
	r->stop_at = after(now, r->options->duration_ns);
}

static void take_end(struct reader *r, const struct record_end *end)
{
	char why[512];

	if (!end->ok)
		log_error("%s refused: %s", input_state(r->input)->name, input_refusal(end, why, sizeof(why)));
	r->ended = r->ended || end->ok;
	if (!input_state(r->input)->live)
		return;
	input_finish(r->input);
	r->failed = r->failed || !end->ok;
}

static bool is_wanted(const struct reader *r, const struct record *record)
{
	uint32_t events = r->options->event_mask;

	if (events && ((1U << record->type) & STREAM_RECORDS & ~events))
		return false;
	return input_state(r->input)->live || record_is_wanted(&r->options->filter, record);
}

static void take_record(void *ctx, const struct record *record, const char *line, size_t len)
{
	struct reader *r = ctx;

	if (record->type == RECORD_HELLO)
		take_hello(r);
	else if (record->type == RECORD_HANDSHAKE)
		r->hint_at = NEVER;
	if (is_wanted(r, record))
		r->ops->record(r->view, record, line, len);
	if (record->type == RECORD_END)
		take_end(r, &record->end);
}

/* Only the first of each kind is worth a line; all are counted. */
static void take_trouble(void *ctx, enum input_trouble what, uint64_t line, const char *why)
{
	struct reader *r = ctx;
	const struct input_report *report = input_report(r->input);
	const char *name = input_state(r->input)->name;
	unsigned long long number = line;

	progress_clear(&r->progress);
	if (what == INPUT_BAD && report->bad == 1)
		log_warning("%s, line %llu is skipped: %s", name, number, why);
	else if (what == INPUT_OVERSIZED && report->oversized == 1)
		log_warning("%s, line %llu is skipped: it is longer than %d bytes", name, number,
			    LINES_MAX);
	else if (what == INPUT_DAMAGED_SEGMENT)
		log_warning("%s/%s", name, why);
	else if (what == INPUT_DAMAGED)
		log_error("%s is damaged after line %llu; what follows cannot be read", name, number);
}

static void pass(struct reader *r)
{
	if (r->ops->pass && !r->failed && r->ops->pass(r->view, &r->pass_at) < 0)
		fail(r);
}

static void flush(struct reader *r)
{
	int err = output_flush(r->out, &r->signals);

	if (r->out->closed)
		stop(r);
	if (!err || err == -EINTR)
		return;
	log_error("cannot write to standard output: %s", strerror(-err));
	r->failed = true;
	r->out->closed = true;
	stop(r);
}

static void take_signals(struct reader *r)
{
	if (r->signals.resized) {
		r->signals.resized = false;
		if (r->ops->resized)
			r->ops->resized(r->view);
	}
	if (r->signals.stops)
		stop(r);
	if (r->signals.stops > 1) {
		input_kill(r->input);
		fail(r);
	}
}

static void run(struct reader *r)
{
	while (!input_state(r->input)->over) {
		struct pollfd fds[] = {
			{ .fd = input_fd(r->input), .events = POLLIN },
			{ .fd = r->signals.fd, .events = POLLIN },
			/* Only for POLLERR: `tcpshake | head` ends when head does. */
			{ .fd = r->out->closed ? -1 : STDOUT_FILENO },
		};

		if (poll(fds, 3, timeout_ms(r)) < 0) {
			log_error("cannot wait for %s: %s", input_state(r->input)->name, strerror(errno));
			fail(r);
			return;
		}
		if (fds[1].revents)
			signals_read(&r->signals);
		take_signals(r);
		check_time(r);
		if (fds[2].revents & POLLERR) {
			r->out->closed = true;
			stop(r);
		}
		input_run(r->input, fds[0].revents);
		if (r->ops->silent && !input_state(r->input)->live)
			progress_show(&r->progress, "reading", input_state(r->input)->name, input_share(r->input),
				      input_report(r->input)->lines);
		r->failed = r->failed || input_state(r->input)->failed;
		pass(r);
		flush(r);
		take_signals(r);
	}
	progress_clear(&r->progress);
}

/* Nobody said no: a daemon that serves later would do. */
static bool is_absent(int err)
{
	return daemon_is_absent(-err) || err == ETIMEDOUT || err == EPIPE || err == ECONNRESET || err == EINTR;
}

static enum exit_status finish(struct reader *r, struct input_report *report)
{
	bool alone = input_state(r->input)->live && !r->stopping && !r->failed; /* nobody else ended it */
	enum exit_status status;

	input_report_hosts(r->input, report);
	if (report->cut && !r->stopping)
		log_warning("%s is cut off: it is read up to line %llu, the last whole one",
			    input_state(r->input)->name, (unsigned long long)report->whole);
	report->interrupted = r->interrupted;
	report->share = r->share;
	if (r->interrupted)
		progress_interrupted(input_state(r->input)->name, report->whole, r->share);
	report->private = input_state(r->input)->private;
	report->ended = alone && input_state(r->input)->hello;
	report->absent = alone && !input_state(r->input)->hello && !report->private;
	/* After a failure of our own the private daemon is still there. */
	if (r->failed)
		stop(r);
	status = input_close(r->input, r->ended || input_state(r->input)->bye || r->stopping);
	return status == STATUS_OK && r->failed ? STATUS_FAILED : status;
}

enum exit_status reader_run(const struct options *o, struct output *out,
			    const struct reader_ops *ops, void *view,
			    struct input_report *report)
{
	static const struct input_ops input_ops = { .record = take_record, .trouble = take_trouble };
	struct reader r = {
		.options = o,
		.ops = ops,
		.view = view,
		.out = out,
		.hint_at = NEVER,
		.stop_at = NEVER,
		.give_up_at = NEVER,
		.pass_at = NEVER,
		.progress = progress_begin(),
	};
	enum exit_status status = STATUS_FAILED;
	int err = signals_init(&r.signals);

	if (err) {
		log_error("cannot take signals: %s", strerror(-err));
		return STATUS_FAILED;
	}
	r.input = input_open(o, NULL, &input_ops, &r);
	if (r.input) {
		if (input_state(r.input)->live)
			r.hint_at = after(clock_mono_ns(), HINT_AFTER_NS);
		r.stop_at = after(clock_mono_ns(), o->duration_ns);
		run(&r);
		status = finish(&r, report);
	} else {
		report->absent = !o->from_count && is_absent(errno);
	}
	close(r.signals.fd);
	return status;
}
