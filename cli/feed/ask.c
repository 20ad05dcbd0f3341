// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/ask.h"
#include "cli/text/progress.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define ANSWER_PATIENCE_MS 10000
#define SHOWN_MS 200 /* as often as somebody may see how far it is */

struct ask {
	struct signals *signals;
	struct input *input;
	ask_record *take; /* of the question that is being answered, or NULL */
	void *ctx;
	int answer; /* 1: it is whole; negative: an errno, said on stderr */
};

static void take_record(void *ctx, const struct record *r, const char *line, size_t len)
{
	struct ask *a = ctx;
	char why[512];

	if (!a->take || a->answer)
		return;
	if (r->type != RECORD_END) {
		a->take(a->ctx, r, line, len);
		return;
	}
	a->answer = r->end.ok ? 1 : -EPROTO;
	if (!r->end.ok)
		log_error("%s refused: %s", input_state(a->input)->name, input_refusal(&r->end, why, sizeof(why)));
}

static void take_trouble(void *ctx, enum input_trouble what, uint64_t line, const char *why)
{
	struct ask *a = ctx;

	(void)line;
	if (what == INPUT_BAD)
		log_warning("%s: an answer is skipped: %s", input_state(a->input)->name, why);
}

struct ask *ask_open(const struct options *o, struct signals *signals)
{
	static const struct input_ops ops = { .record = take_record, .trouble = take_trouble };
	struct ask *a = calloc(1, sizeof(*a));

	if (!a) {
		log_error("out of memory");
		return NULL;
	}
	a->signals = signals;
	a->input = input_open(o, signals, &ops, a);
	if (a->input)
		return a;
	free(a);
	return NULL;
}

const struct input *ask_input(const struct ask *a)
{
	return a->input;
}

/* Wait for what comes from the daemon, and take it: 1, 0 when time is up, or -EINTR to stop. */
static int wait_input(struct ask *a, int ms, bool output)
{
	struct pollfd fds[] = {
		{ .fd = input_fd(a->input), .events = POLLIN },
		{ .fd = a->signals->fd, .events = POLLIN },
		{ .fd = output ? STDOUT_FILENO : -1 }, /* only for POLLERR */
	};

	/* What came last may have been more than there was time for. */
	bool more = input_due_at(a->input) == 0;

	if (a->signals->stops)
		return -EINTR;
	if (poll(fds, 3, more ? 0 : ms) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[1].revents)
		signals_read(a->signals);
	if (a->signals->stops || fds[2].revents & (POLLERR | POLLHUP))
		return -EINTR;
	if (fds[0].revents || more)
		input_run(a->input, fds[0].revents);
	return fds[0].revents || more;
}

static int report_gone(struct ask *a)
{
	if (!input_state(a->input)->failed)
		input_report_end(a->input);
	return -EPIPE;
}

int ask_question(struct ask *a, const char *op, ask_record *take, void *ctx)
{
	struct progress progress = progress_begin();
	uint64_t patience_ns = ANSWER_PATIENCE_MS * NSEC_PER_MSEC, give_up_at = clock_mono_ns() + patience_ns;
	int ready = 1;

	if (input_ask(a->input, op))
		return report_gone(a);
	a->take = take;
	a->ctx = ctx;
	a->answer = 0;
	while (!a->answer && ready >= 0 && clock_mono_ns() < give_up_at) {
		if (input_state(a->input)->over) {
			progress_clear(&progress);
			return report_gone(a);
		}
		ready = wait_input(a, progress.on ? SHOWN_MS : ANSWER_PATIENCE_MS, false);
		if (ready > 0)
			give_up_at = clock_mono_ns() + patience_ns;
		progress_show(&progress, "asking", input_state(a->input)->name, SHARE_UNKNOWN, input_report(a->input)->lines);
	}
	progress_clear(&progress);
	a->take = NULL;
	if (a->answer)
		return a->answer < 0 ? a->answer : 0;
	if (!ready)
		log_error("%s does not answer", input_state(a->input)->name);
	return ready ? ready : -ETIMEDOUT;
}

int ask_wait(struct ask *a, uint64_t until_ns)
{
	for (;;) {
		uint64_t now = clock_mono_ns();
		int ready;

		if (a->signals->stops)
			return -EINTR;
		if (a->signals->resized)
			return 1;
		if (now >= until_ns)
			return 0;
		ready = wait_input(a, (int)((until_ns - now) / NSEC_PER_MSEC) + 1, true);
		if (ready < 0)
			return ready;
		/* Nothing was asked: this is the end. */
		if (input_state(a->input)->over)
			return report_gone(a);
	}
}

void ask_close(struct ask *a)
{
	if (a)
		input_close(a->input, true);
	free(a);
}
