// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/lab/run.h"
#include "cli/lab/judge.h"
#include "cli/lab/parse.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

/* After a statement, so that what it set off is over: a handshake takes 0.1 ms here. */
#define SETTLE_NS (30 * NSEC_PER_MSEC)
/* A call that is not back by then goes on beside what follows. */
#define CALL_PATIENCE_NS (10 * NSEC_PER_SEC)
#define BACKGROUND_NS (20 * NSEC_PER_MSEC)
/* What `expect` waits if it does not say: the daemon looks at the queues each second. */
#define EXPECT_NS (1 * NSEC_PER_SEC)
#define EXPECT_RECORD_NS (5 * NSEC_PER_SEC)
#define RETRY_NS (10 * NSEC_PER_MSEC)

/* ---- calls ---- */

static struct lab_socket *socket_of(struct lab_scene *s, const struct lab_range *r, unsigned index,
				    enum lab_place place)
{
	char name[LAB_NAME_SIZE];
	struct lab_socket *found;

	lab_range_name(r, index, name, sizeof(name));
	found = lab_socket_find(&s->sockets, name);
	return found ? found : lab_socket_add(&s->sockets, name, place);
}

/* The socket of that name as new, if there is none that is open. */
static struct lab_socket *new_socket(struct lab_scene *s, const struct lab_range *r, unsigned index,
				     enum lab_place place)
{
	char name[LAB_NAME_SIZE];

	lab_range_name(r, index, name, sizeof(name));
	return lab_socket_add(&s->sockets, name, place);
}

static void make_socket(struct lab_scene *s, const struct lab_call *call, struct lab_socket *target)
{
	lab_call_socket(&s->space, call, target);
	lab_report_call(&s->report, call, target, target);
}

/* connect() of a name that is not open makes its socket first. */
static void prepare_connect(struct lab_scene *s, const struct lab_statement *st, unsigned index)
{
	struct lab_call make = { .code = LAB_SOCKET, .family = st->call.address.addr.ss_family };
	struct lab_socket *on = socket_of(s, &st->call.on, index, st->place);

	if (on && on->fd >= 0)
		return;
	on = new_socket(s, &st->call.on, index, st->place);
	if (on)
		make_socket(s, &make, on);
}

static void call_one(struct lab_scene *s, const struct lab_statement *st, unsigned index)
{
	const struct lab_call *call = &st->call;
	struct lab_socket *on, *target;

	if (call->code == LAB_CONNECT)
		prepare_connect(s, st, index);
	target = *call->made.stem ? new_socket(s, &call->made, index, st->place) : NULL;
	if (call->code == LAB_SOCKET) {
		if (target)
			make_socket(s, call, target);
		return;
	}
	on = socket_of(s, &call->on, *call->made.stem ? 0 : index, st->place);
	target = *call->made.stem ? target : on;
	if (!on || !target) {
		log_error("out of memory");
		s->broken = true;
		return;
	}
	lab_call_begin(&s->calls, call, on, target);
	if (target->last.running)
		lab_scene_pass(s, clock_mono_ns() + (call->background ? BACKGROUND_NS : CALL_PATIENCE_NS), target);
	else
		lab_report_call(&s->report, call, on, target);
	if (target->last.running)
		lab_report_call(&s->report, call, on, target);
}

static void do_call(struct lab_scene *s, const struct lab_statement *st)
{
	const struct lab_range *r = *st->call.made.stem ? &st->call.made : &st->call.on;

	for (unsigned i = 0; i < lab_range_count(r) && !lab_scene_is_over(s); i++)
		call_one(s, st, i);
}

/* ---- the others ---- */

static void do_set(struct lab_scene *s, const struct lab_statement *st)
{
	static int (*const functions[])(const struct lab_space *space, const struct lab_statement *statement,
					char *error, size_t size) = {
		[LAB_SYSCTL] = lab_space_sysctl,
		[LAB_NFT] = lab_space_nft,
		[LAB_DELAY] = lab_space_delay,
	};
	char error[320];

	if (functions[st->kind](&s->space, st, error, sizeof(error)) == 0)
		return;
	lab_report_failure(&s->report, error);
	log_error("%s:%u: %s", s->report.scenario, st->line, error);
	s->broken = true;
}

static void do_wait(struct lab_scene *s, const struct lab_statement *st)
{
	uint64_t began = clock_mono_ns();

	lab_scene_pass(s, began + st->duration_ns, NULL);
	lab_report_wait(&s->report, st->duration_ns, clock_mono_ns() - began);
}

/* Its first line says which it is. */
static void say_record(const struct lab_record *record, struct buf *found)
{
	size_t start = found->len;
	const char *end;

	lab_report_words(record, found);
	end = found->failed ? NULL : memchr(found->data + start, '\n', found->len - start);
	if (end)
		found->len = (size_t)(end - found->data);
}

/* The last that came may be the one that was meant. */
static void say_no_record(const struct lab_record *last, size_t of_type, const char *type, struct buf *found)
{
	buf_format(found, "%zu records %s%s", of_type, type, of_type ? ", but no such one; the last: " : "");
	if (last)
		say_record(last, found);
}

static bool find_record(struct lab_scene *s, const struct lab_expect *e, struct buf *found)
{
	const struct lab_record *last = NULL;
	size_t of_type = 0;
	bool holds = false;

	for (size_t i = 0; i < lab_watch_count(s->bench->watch) && !holds; i++) {
		const struct lab_record *record = lab_watch_at(s->bench->watch, i);

		if (strcmp(record->record.type_name, e->record) == 0) {
			of_type++;
			last = record;
		}
		holds = lab_judge_record(e, &record->record);
		if (holds)
			say_record(record, found);
	}
	if (!holds)
		say_no_record(last, of_type, e->record, found);
	return holds != e->absent;
}

static bool judge(struct lab_scene *s, const struct lab_statement *st, struct buf *found)
{
	const struct lab_expect *e = &st->expect;

	lab_scene_look(s);
	if (e->subject == LAB_COUNTER)
		return lab_judge_counter(e, lab_look_counter(&s->first[st->place], e->counter),
					 lab_look_counter(&s->now[st->place], e->counter), found);
	if (e->subject == LAB_RECORD)
		return find_record(s, e, found);
	return lab_judge_sockets(e, &s->sockets, found);
}

static uint64_t patience(const struct lab_scene *s, const struct lab_expect *e)
{
	uint64_t ns = e->within_ns ? e->within_ns : e->subject == LAB_RECORD ? EXPECT_RECORD_NS : EXPECT_NS;
	double factor = s->bench->options->patience;

	return factor > 0 ? (uint64_t)((double)ns * factor) : ns;
}

/* It may take a moment to come about; what is not to be cannot be waited for. */
static void do_expect(struct lab_scene *s, const struct lab_statement *st)
{
	uint64_t began = clock_mono_ns(), until = began + patience(s, &st->expect);
	struct buf found = { 0 };
	bool holds = judge(s, st, &found);

	while (!holds && !lab_scene_is_over(s) && clock_mono_ns() < until) {
		lab_scene_pass(s, clock_mono_ns() + RETRY_NS, NULL);
		buf_clear(&found);
		holds = judge(s, st, &found);
	}
	lab_report_expect(&s->report, holds, buf_text(&found), clock_mono_ns() - began);
	s->not_held = s->not_held || (!holds && st->kind == LAB_EXPECT);
	s->skipped = !holds && st->kind == LAB_REQUIRE && !lab_scene_is_over(s);
	buf_free(&found);
}

static void (*const functions[])(struct lab_scene *s, const struct lab_statement *st) = {
	[LAB_CALL] = do_call, [LAB_SYSCTL] = do_set, [LAB_NFT] = do_set,
	[LAB_DELAY] = do_set, [LAB_WAIT] = do_wait,  [LAB_EXPECT] = do_expect,
	[LAB_REQUIRE] = do_expect,
};

/* ---- the scenario ---- */

/* With --step: until a key comes. */
static void await_key(struct lab_scene *s)
{
	struct pollfd key = { .fd = STDIN_FILENO, .events = POLLIN };
	char c;

	while (!lab_scene_is_over(s) && poll(&key, 1, 0) == 0)
		lab_scene_pass(s, clock_mono_ns() + RETRY_NS, NULL);
	if (!lab_scene_is_over(s) && read(STDIN_FILENO, &c, 1) <= 0)
		s->bench->signals.stops++;
}

static void run_statement(struct lab_scene *s, const struct lab_statement *st)
{
	lab_report_begin(&s->report, st);
	for (unsigned i = 0; st->kind != LAB_REMARK && i < st->repeat && !lab_scene_is_over(s); i++)
		functions[st->kind](s, st);
	if (st->kind == LAB_CALL)
		lab_scene_pass(s, clock_mono_ns() + SETTLE_NS, NULL);
	if (st->kind != LAB_REMARK) {
		lab_scene_look(s);
		lab_scene_show(s);
	}
	lab_report_end(&s->report, &s->bench->out.buf);
	if (output_flush(&s->bench->out, &s->bench->signals) < 0)
		s->broken = true;
	if (s->bench->options->step && st->kind != LAB_REMARK)
		await_key(s);
}

static enum lab_verdict verdict_of(const struct lab_scene *s)
{
	if (s->broken)
		return LAB_BROKEN;
	if (lab_scene_is_over(s) && !s->skipped)
		return LAB_STOPPED;
	return s->not_held ? LAB_NOT_HELD : s->skipped ? LAB_SKIPPED : LAB_HELD;
}

enum lab_verdict lab_run(struct lab_bench *bench, const char *name, const struct lab_scenario *scenario)
{
	struct lab_scene scene;
	enum lab_verdict verdict = LAB_BROKEN;

	if (lab_scene_open(&scene, bench, name) == 0) {
		for (size_t i = 0; i < scenario->count && !lab_scene_is_over(&scene); i++)
			run_statement(&scene, &scenario->statements[i]);
		verdict = verdict_of(&scene);
	}
	lab_scene_close(&scene);
	return verdict;
}
