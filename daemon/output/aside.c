// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/output/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct aside {
	pid_t child;
	int fd; /* what it writes */
	struct event *readable;
	struct buf body;
	aside_done_fn done;
	void *ctx;
};

/* Its signals are its own: libevent's handlers would write to the daemon's loop. */
static void restore_signals(void)
{
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
}

static void __attribute__((noreturn)) run_child(pid_t daemon, int fd, void (*make)(void *ctx, struct record *r),
						void *ctx)
{
	struct record r = {};
	size_t done = 0;

	restore_signals();
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* it has the daemon's socket open, which another one may want */
	if (getppid() != daemon)
		_exit(1);
	setpriority(PRIO_PROCESS, 0, 10); /* what the daemon does meanwhile comes first */
	make(ctx, &r);
	while (done < r.body.len) {
		ssize_t n = write(fd, r.body.data + done, r.body.len - done);

		if (n < 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	_exit(0);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct aside *a = ctx;
	ssize_t n = -1;

	(void)what;
	if (buf_reserve(&a->body, 4096))
		n = read(fd, a->body.data + a->body.len, 4096);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		a->body.len += (size_t)n;
		return;
	}
	event_del(a->readable);
	/* Half a record is none. */
	if (n < 0 || (a->body.len && a->body.data[a->body.len - 1] != '\n'))
		buf_clear(&a->body);
	a->done(a->ctx, &a->body); /* may free it */
}

static int start_child(struct aside *a, void (*make)(void *ctx, struct record *r), void *ctx)
{
	pid_t daemon = getpid();
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	a->child = fork();
	if (a->child == 0)
		run_child(daemon, fds[1], make, ctx);
	close(fds[1]);
	a->fd = fds[0];
	return a->child < 0 ? -1 : 0;
}

struct aside *aside_start(struct event_base *base, void (*make)(void *ctx, struct record *r), void *make_ctx,
			  aside_done_fn done, void *ctx)
{
	struct aside *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->done = done;
	a->ctx = ctx;
	a->fd = -1;
	if (start_child(a, make, make_ctx) == 0) {
		fcntl(a->fd, F_SETFL, O_NONBLOCK);
		a->readable = event_new(base, a->fd, EV_READ | EV_PERSIST, on_readable, a);
		if (a->readable && event_add(a->readable, NULL) == 0)
			return a;
	}
	aside_free(a);
	return NULL;
}

void aside_free(struct aside *a)
{
	int error = errno;

	if (!a)
		return;
	if (a->readable)
		event_free(a->readable);
	if (a->fd >= 0)
		close(a->fd);
	if (a->child > 0) {
		kill(a->child, SIGKILL);
		while (waitpid(a->child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	buf_free(&a->body);
	free(a);
	errno = error;
}
