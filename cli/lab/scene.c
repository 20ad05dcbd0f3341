// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/lab/scene.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

bool lab_scene_is_over(const struct lab_scene *s)
{
	return s->bench->signals.stops || s->bench->out.closed || s->broken || s->skipped;
}

static void report_ended(void *ctx, const struct lab_call *call, const struct lab_socket *on,
			 const struct lab_socket *target)
{
	struct lab_scene *s = ctx;

	lab_report_call(&s->report, call, on, target);
}

/* Whatever comes first within `timeout_ms`. */
static void wait_once(struct lab_scene *s, int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = s->bench->signals.fd, .events = POLLIN },
		{ .fd = s->calls.ended, .events = POLLIN },
		{ .fd = lab_watch_fd(s->bench->watch), .events = POLLIN },
	};

	if (poll(fds, 3, timeout_ms) < 0)
		return;
	if (fds[0].revents)
		signals_read(&s->bench->signals);
	lab_calls_collect(&s->calls, report_ended, s);
	if (fds[2].revents && lab_watch_take(s->bench->watch) < 0)
		s->broken = true;
}

void lab_scene_pass(struct lab_scene *s, uint64_t until, const struct lab_socket *awaited)
{
	uint64_t now;

	while (!lab_scene_is_over(s) && (now = clock_mono_ns()) < until &&
	       (!awaited || awaited->last.running))
		wait_once(s, (int)((until - now) / NSEC_PER_MSEC) + 1);
}

static void look_at(struct lab_scene *s, struct lab_look *looks)
{
	int err = 0;

	for (int place = 0; place < LAB_PLACES && !err; place++)
		err = lab_look(&s->space, (enum lab_place)place, &looks[place]);
	if (!err)
		return;
	log_error("cannot read the sockets and counters of the lab: %s", strerror(-err));
	s->broken = true;
}

void lab_scene_look(struct lab_scene *s)
{
	look_at(s, s->now);
	for (size_t i = 0; i < s->sockets.count; i++)
		lab_socket_see(&s->space, s->sockets.list[i], &s->now[s->sockets.list[i]->place]);
}

/* Those that moved; a kernel's list is always in the same order. */
static void show_counters(struct lab_scene *s, enum lab_place place)
{
	const struct lab_look *now = &s->now[place], *first = &s->first[place];

	for (size_t i = 0; i < now->counter_count && i < first->counter_count; i++) {
		const struct lab_counter *c = &now->counters[i];
		uint64_t *shown = &first->counters[i].shown;

		if (c->value > *shown && !lab_counter_is_plain(c->name))
			lab_report_counter(&s->report, place, c->name, c->value - *shown);
		*shown = c->value;
	}
}

void lab_scene_show(struct lab_scene *s)
{
	for (size_t i = 0; i < s->sockets.count; i++) {
		struct lab_socket *socket = s->sockets.list[i];

		if (socket->changed || s->report.json)
			lab_report_socket(&s->report, socket);
		socket->changed = false;
	}
	for (int place = 0; place < LAB_PLACES; place++)
		show_counters(s, (enum lab_place)place);
	for (; s->records < lab_watch_count(s->bench->watch); s->records++)
		lab_report_record(&s->report, lab_watch_at(s->bench->watch, s->records));
}

int lab_scene_open(struct lab_scene *s, struct lab_bench *bench, const char *name)
{
	*s = (struct lab_scene){ .bench = bench, .calls.ended = -1, .space = { -1, { -1, -1 }, { 0, 0 } } };
	s->report = (struct lab_report){ .style = &bench->style, .json = bench->options->json, .scenario = name };
	if (lab_space_open(&s->space) < 0)
		return -1;
	if (lab_calls_open(&s->calls) < 0) {
		log_error("cannot make an eventfd: %s", strerror(errno));
		return -1;
	}
	lab_watch_follow(bench->watch, &s->space);
	look_at(s, s->first);
	return s->broken ? -1 : 0;
}

void lab_scene_close(struct lab_scene *s)
{
	lab_watch_follow(s->bench->watch, NULL);
	lab_calls_close(&s->calls);
	lab_sockets_free(&s->sockets);
	for (int place = 0; place < LAB_PLACES; place++) {
		lab_look_free(&s->first[place]);
		lab_look_free(&s->now[place]);
	}
	lab_report_free(&s->report);
	lab_space_close(&s->space);
}
