// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/lab/call.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

struct lab_call_job {
	struct lab_call_job *next;
	pthread_t thread;
	const struct lab_call *call;
	struct lab_socket *on, *target;
	int fd, ended; /* the socket; whom to wake */
	struct lab_outcome outcome;
	atomic_bool done;
};

/* ---- the calls themselves: their result, with errno set if it is negative ---- */

static void set_nonblock(int fd, bool nonblock)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		fcntl(fd, F_SETFL, nonblock ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

static long do_bind(int fd, const struct lab_call *c, struct lab_outcome *o)
{
	(void)o;
	return bind(fd, (const struct sockaddr *)&c->address.addr, c->address.len);
}

static long do_listen(int fd, const struct lab_call *c, struct lab_outcome *o)
{
	(void)o;
	return listen(fd, c->number);
}

/* As a client with a time-out of its own does it: the socket does not block, and poll() waits. */
static long connect_for(int fd, const struct lab_call *c)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t len = sizeof(error);

	if (connect(fd, (const struct sockaddr *)&c->address.addr, c->address.len) == 0 || errno != EINPROGRESS)
		return errno == EINPROGRESS ? 0 : -(errno != 0);
	if (poll(&p, 1, (int)(c->timeout_ns / NSEC_PER_MSEC)) <= 0) {
		errno = EINPROGRESS;
		return -1;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0)
		errno = error;
	return error ? -1 : 0;
}

static long do_connect(int fd, const struct lab_call *c, struct lab_outcome *o)
{
	(void)o;
	if (c->nonblock || c->timeout_ns)
		set_nonblock(fd, true);
	if (c->timeout_ns)
		return connect_for(fd, c);
	return connect(fd, (const struct sockaddr *)&c->address.addr, c->address.len);
}

static long do_accept(int fd, const struct lab_call *c, struct lab_outcome *o)
{
	long made;

	(void)o;
	if (c->nonblock)
		set_nonblock(fd, true);
	made = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (c->nonblock) {
		int error = errno;

		set_nonblock(fd, false);
		errno = error;
	}
	return made;
}

static long do_send(int fd, const struct lab_call *c, struct lab_outcome *o)
{
	char *data = calloc(1, (size_t)c->number);
	long sent;
	int error;

	(void)o;
	sent = send(fd, data, data ? (size_t)c->number : 0, MSG_NOSIGNAL | (c->nonblock ? MSG_DONTWAIT : 0));
	error = errno;
	free(data);
	errno = error;
	return sent;
}

static long do_recv(int fd, const struct lab_call *c, struct lab_outcome *o)
{
	char *data = malloc((size_t)c->number);
	long got;
	int error;

	(void)o;
	got = recv(fd, data, data ? (size_t)c->number : 0, c->nonblock ? MSG_DONTWAIT : 0);
	error = errno;
	free(data);
	errno = error;
	return got;
}

static long do_close(int fd, const struct lab_call *c, struct lab_outcome *o)
{
	(void)c;
	(void)o;
	return close(fd);
}

static long do_shutdown(int fd, const struct lab_call *c, struct lab_outcome *o)
{
	(void)o;
	return shutdown(fd, c->how);
}

/* Linger as programs use it: 0 and more are seconds, less turns it off. */
static long do_setsockopt(int fd, const struct lab_call *c, struct lab_outcome *o)
{
	struct linger linger = { .l_onoff = c->number >= 0, .l_linger = c->number };

	(void)o;
	if (c->option->linger)
		return setsockopt(fd, c->option->level, c->option->number, &linger, sizeof(linger));
	return setsockopt(fd, c->option->level, c->option->number, &c->number, sizeof(c->number));
}

static long do_getsockopt(int fd, const struct lab_call *c, struct lab_outcome *o)
{
	struct linger linger = { 0 };
	socklen_t size = sizeof(o->value), linger_size = sizeof(linger);
	long result;

	if (c->option->linger) {
		result = getsockopt(fd, c->option->level, c->option->number, &linger, &linger_size);
		o->value = linger.l_onoff ? linger.l_linger : -1;
		return result;
	}
	return getsockopt(fd, c->option->level, c->option->number, &o->value, &size);
}

static long (*const functions[LAB_CALLS])(int fd, const struct lab_call *c, struct lab_outcome *o) = {
	[LAB_BIND] = do_bind,	    [LAB_LISTEN] = do_listen,
	[LAB_CONNECT] = do_connect, [LAB_ACCEPT] = do_accept,
	[LAB_SEND] = do_send,	    [LAB_RECV] = do_recv,
	[LAB_CLOSE] = do_close,	    [LAB_SHUTDOWN] = do_shutdown,
	[LAB_SETSOCKOPT] = do_setsockopt, [LAB_GETSOCKOPT] = do_getsockopt,
};

static bool may_block(const struct lab_call *c)
{
	bool waits = c->code == LAB_CONNECT || c->code == LAB_ACCEPT || c->code == LAB_SEND ||
		     c->code == LAB_RECV || c->code == LAB_CLOSE;

	return waits && !c->nonblock;
}

static void perform(int fd, const struct lab_call *c, struct lab_outcome *o)
{
	uint64_t began = clock_mono_ns();

	errno = 0;
	o->result = functions[c->code](fd, c, o);
	o->error = o->result < 0 ? errno : 0;
	o->took_ns = clock_mono_ns() - began;
	o->any = true;
	/* What it holds is how the last connect() ended. */
	if (c->code == LAB_GETSOCKOPT && o->result == 0 && strcmp(c->option->name, "SO_ERROR") == 0)
		o->error = o->value;
}

/* ---- threads ---- */

static void *run(void *job)
{
	struct lab_call_job *j = job;
	uint64_t one = 1;

	perform(j->fd, j->call, &j->outcome);
	atomic_store(&j->done, true);
	if (write(j->ended, &one, sizeof(one)) < 0)
		log_error("cannot report the end of a call: %s", strerror(errno));
	return NULL;
}

/* Only so that a call returns with EINTR. */
static void ignore(int number)
{
	(void)number;
}

int lab_calls_open(struct lab_calls *c)
{
	struct sigaction action = { .sa_handler = ignore };

	*c = (struct lab_calls){ .ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	sigaction(SIGUSR1, &action, NULL);
	return c->ended < 0 ? -errno : 0;
}

void lab_calls_close(struct lab_calls *c)
{
	while (c->jobs) {
		for (struct lab_call_job *j = c->jobs; j; j = j->next)
			if (!atomic_load(&j->done))
				pthread_kill(j->thread, SIGUSR1);
		/* One that was about to block when the signal came is caught by the next. */
		usleep(1000);
		lab_calls_collect(c, NULL, NULL);
	}
	if (c->ended >= 0)
		close(c->ended);
	c->ended = -1;
}

/* What a call that has ended leaves. */
static void settle(const struct lab_call *call, struct lab_socket *on, struct lab_socket *target,
		   const struct lab_outcome *outcome)
{
	target->last = *outcome;
	target->last.running = false;
	if (call->code == LAB_ACCEPT && outcome->result >= 0) {
		target->fd = (int)outcome->result;
		target->family = on->family;
		target->protocol = on->protocol;
	}
}

void lab_calls_collect(struct lab_calls *c,
		       void (*ended)(void *ctx, const struct lab_call *call, const struct lab_socket *on,
				     const struct lab_socket *target),
		       void *ctx)
{
	struct lab_call_job **at = &c->jobs;
	uint64_t count;

	while (read(c->ended, &count, sizeof(count)) > 0)
		;
	while (*at) {
		struct lab_call_job *j = *at;

		if (!atomic_load(&j->done)) {
			at = &j->next;
			continue;
		}
		*at = j->next;
		pthread_join(j->thread, NULL);
		settle(j->call, j->on, j->target, &j->outcome);
		if (ended)
			ended(ctx, j->call, j->on, j->target);
		free(j);
	}
}

static int start(struct lab_calls *c, struct lab_call_job *job)
{
	int err = pthread_create(&job->thread, NULL, run, job);

	if (err)
		return err;
	job->next = c->jobs;
	c->jobs = job;
	return 0;
}

void lab_call_begin(struct lab_calls *c, const struct lab_call *call, struct lab_socket *on,
		    struct lab_socket *target)
{
	struct lab_outcome outcome = { 0 };
	struct lab_call_job *job = may_block(call) ? malloc(sizeof(*job)) : NULL;
	int fd = on->fd;

	/* Once it is closed there is nobody to ask. */
	lab_socket_note_ends(on);
	if (call->code == LAB_CLOSE)
		on->fd = -1;
	if (job) {
		*job = (struct lab_call_job){ .call = call, .on = on, .target = target, .fd = fd, .ended = c->ended };
		target->last = (struct lab_outcome){ .any = true, .running = true };
		if (start(c, job) == 0)
			return;
		free(job);
	}
	perform(fd, call, &outcome);
	settle(call, on, target, &outcome);
}

void lab_call_socket(const struct lab_space *space, const struct lab_call *call, struct lab_socket *target)
{
	struct lab_outcome *o = &target->last;
	uint64_t began;
	int err = lab_space_enter(space, target->place);

	began = clock_mono_ns();
	o->result = err ? -1 : socket(call->family, SOCK_STREAM | SOCK_CLOEXEC, call->protocol);
	o->error = err ? -err : o->result < 0 ? errno : 0;
	o->took_ns = clock_mono_ns() - began;
	o->any = true;
	lab_space_leave(space);
	target->fd = (int)o->result;
	target->family = call->family;
	target->protocol = call->protocol;
}
