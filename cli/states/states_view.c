// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The view `states`: the sockets that there are now, once or redrawn in place. It asks the kernel itself, and no daemon. */
#include "cli/states/look.h"
#include "cli/states/render.h"
#include "cli/feed/live.h"
#include "cli/text/output.h"
#include "cli/view.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define INTERVAL_NS NSEC_PER_SEC
#define COST_SHARE 100 /* a look takes no more than one in so many parts of a CPU */
#define NEVER UINT64_MAX

struct view_of_states {
	const struct options *options;
	struct states *states;
	struct states_look look;
	struct style style;
	struct output out;
	struct signals signals;
	bool redrawn;
	size_t lines; /* of what stands on the terminal now */
	uint64_t pause_ns; /* until the next look */
};

static void draw(struct view_of_states *v)
{
	const struct states_shown shown = {
		.states = v->states,
		.look = &v->look,
		.by_mask = v->options->by_mask,
		.pause_ns = v->redrawn ? v->pause_ns : 0,
		.filtered = !filter_is_empty(&v->options->filter),
	};
	struct buf text = { 0 };

	if (v->options->json) {
		states_json(&text, &shown);
		output_json(&v->out, v->style.terminal, text.data, text.len);
	} else if (v->redrawn) {
		states_render(&text, &v->style, &shown, v->style.rows > 2 ? v->style.rows - 1 : 1);
		v->lines = live_replace(&v->out.buf, &text, v->lines);
	} else {
		states_render(&v->out.buf, &v->style, &shown, SIZE_MAX);
	}
	v->out.buf.failed = v->out.buf.failed || text.failed;
	buf_free(&text);
}

/* 0, or a negative errno after one line on stderr. */
static int look(struct view_of_states *v)
{
	int err = states_look(&v->look, v->states, &v->options->filter);

	if (err == -ENOTRECOVERABLE)
		log_error("cannot come back from another network namespace");
	else if (err)
		log_error("cannot look at the network namespaces of this host: %s", strerror(-err));
	else if (!v->look.namespaces.seen && v->look.namespaces.unseen)
		log_error("no network namespace could be looked at: %s", strerror(-v->look.namespaces.error));
	else if (!v->look.namespaces.seen)
		log_error("no such network namespace can be found; see --netns, and run it as root");
	if (err || !v->look.namespaces.seen)
		return err ? err : -ENOENT;
	states_sort(v->states, v->options->sort);
	v->pause_ns = v->look.cost_ns * COST_SHARE > INTERVAL_NS ? v->look.cost_ns * COST_SHARE : INTERVAL_NS;
	return 0;
}

static int flush(struct view_of_states *v)
{
	int err = output_flush(&v->out, &v->signals);

	if (err && err != -EINTR)
		log_error("cannot write to standard output: %s", strerror(-err));
	return v->out.closed ? -EINTR : err;
}

/* 0; -EINTR if somebody wants us to stop; another negative errno. */
static int wait_until(struct view_of_states *v, uint64_t until_ns)
{
	struct pollfd fds[] = {
		{ .fd = v->signals.fd, .events = POLLIN },
		{ .fd = STDOUT_FILENO }, /* for an end of its reader */
	};
	uint64_t now;
	int err = 0;

	while (!err && (now = clock_mono_ns()) < until_ns) {
		uint64_t ms = (until_ns - now) / NSEC_PER_MSEC + 1;

		if (poll(fds, 2, ms > 60000 ? 60000 : (int)ms) < 0 && errno != EINTR)
			return -errno;
		signals_read(&v->signals);
		if (v->signals.stops || fds[1].revents & (POLLERR | POLLHUP))
			return -EINTR;
		if (!v->signals.resized)
			continue;
		v->signals.resized = false;
		terminal_resize(&v->style);
		if (!v->redrawn || !v->lines)
			continue;
		buf_lit(&v->out.buf, "\033[H\033[2J");
		v->lines = 0;
		draw(v);
		err = flush(v);
	}
	return err;
}

static int run(struct view_of_states *v)
{
	uint64_t now = clock_mono_ns(), duration = v->options->duration_ns;
	uint64_t stop_at = duration && duration < NEVER - now ? now + duration : NEVER;
	int err = v->redrawn || !duration ? 0 : wait_until(v, stop_at);

	while (!err) {
		uint64_t next = clock_mono_ns();

		err = look(v);
		if (err)
			break;
		draw(v);
		err = flush(v);
		next += v->pause_ns;
		if (err || !v->redrawn)
			break;
		err = wait_until(v, next < stop_at ? next : stop_at);
		if (clock_mono_ns() >= stop_at)
			break;
	}
	return err;
}

enum exit_status states_run(const struct options *o)
{
	struct view_of_states v = { .options = o, .states = states_new(&o->filter) };
	int err = signals_init(&v.signals);

	if (!v.states) {
		log_error("out of memory");
		err = -ENOMEM;
	} else if (err) {
		log_error("cannot take signals: %s", strerror(-err));
	} else {
		terminal_detect(&v.style, o->color);
		v.redrawn = v.style.motion && !o->once && !o->json;
		/* What is printed once is for reading or for a file: plain, unless colour was asked for. */
		if (!v.redrawn && o->color != COLOR_ALWAYS)
			v.style.color = false;
		err = run(&v);
	}
	buf_free(&v.out.buf);
	states_free(v.states);
	if (v.signals.fd >= 0)
		close(v.signals.fd);
	return err == 0 || err == -EINTR ? STATUS_OK : STATUS_FAILED;
}
