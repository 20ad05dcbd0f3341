// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/feed/ask.h"
#include "cli/feed/connect.h"
#include "cli/feed/private.h"
#include "cli/text/text.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/lines.h"
#include "common/log.h"

#define ANSWER_PATIENCE_MS 10000
#define START_PATIENCE_MS 20000
#define START_RETRY_MS 10

struct ask {
	struct signals *signals;
	int fd;
	struct lines *lines;
	int output; /* of a private daemon, or -1 */
	pid_t pid; /* of a private daemon, or 0 */
	char name[160];
};

/* Wait for input on `fd`, at most `ms`: 1, 0 when time is up, or -EINTR to stop. */
static int wait_input(const struct ask *a, int fd, int ms)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = a->signals->fd, .events = POLLIN },
	};

	if (a->signals->stops)
		return -EINTR;
	if (poll(fds, 2, ms) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[1].revents)
		signals_read(a->signals);
	if (a->signals->stops)
		return -EINTR;
	return fds[0].revents ? 1 : 0;
}

/* Our private daemon has ended by itself. With these statuses it has said why. */
static int report_end(struct ask *a)
{
	int status = private_wait(a->pid);

	if (WIFSIGNALED(status))
		log_error("%s was killed by signal %d (%s)", a->name, WTERMSIG(status),
			  strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != STATUS_FAILED && WEXITSTATUS(status) != STATUS_USAGE)
		log_error("%s ended with exit status %d", a->name, WEXITSTATUS(status));
	a->pid = 0;
	return -EPIPE;
}

/* Connect to it as soon as it serves. 0, -EINTR, or another negative errno, said on stderr. */
static int await_private(struct ask *a, const char *path)
{
	uint64_t give_up_at = clock_mono_ns() + START_PATIENCE_MS * NSEC_PER_MSEC;

	for (;;) {
		int ready;

		a->fd = daemon_connect(path);
		if (a->fd >= 0)
			return 0;
		if (!daemon_is_absent(a->fd) || clock_mono_ns() > give_up_at) {
			int err = a->fd;

			log_error("cannot connect to %s: %s", a->name, strerror(-err));
			return err;
		}
		ready = wait_input(a, a->output, START_RETRY_MS);
		if (ready > 0)
			return report_end(a);
		if (ready < 0)
			return ready;
	}
}

static void end_private(struct ask *a)
{
	if (!a->pid)
		return;
	kill(a->pid, SIGTERM);
	private_wait(a->pid);
	a->pid = 0;
}

/*
 * Once we are connected nobody needs the path any more: gone at once, it cannot be left behind,
 * whatever ends us. If it did not come to that, the daemon must go first, or it would make anew
 * what we remove.
 */
static int open_private(struct ask *a)
{
	char dir[] = "/tmp/tcpshake-XXXXXX", path[sizeof(dir) + sizeof("/sock")];
	int err;

	snprintf(a->name, sizeof(a->name), "the private tcpshaked");
	if (!mkdtemp(dir)) {
		err = -errno;
		log_error("cannot make a directory for a private daemon's socket, %s: %s", dir,
			  strerror(errno));
		return err;
	}
	snprintf(path, sizeof(path), "%s/sock", dir);
	a->output = private_serve(path, &a->pid);
	if (a->output < 0) {
		a->pid = 0;
		err = -ENOENT;
	} else {
		snprintf(a->name, sizeof(a->name), "the private tcpshaked (pid %d)", a->pid);
		err = await_private(a, path);
		if (err)
			end_private(a);
	}
	unlink(path);
	rmdir(dir);
	return err;
}

static int open_connection(struct ask *a, const struct options *o)
{
	a->fd = daemon_connect(o->socket);
	if (a->fd >= 0) {
		snprintf(a->name, sizeof(a->name), "the daemon at %s", o->socket);
		return 0;
	}
	if (!o->socket_given && daemon_is_absent(a->fd))
		return open_private(a);
	daemon_complain(o->socket, a->fd);
	return a->fd;
}

struct ask *ask_open(const struct options *o, struct signals *signals)
{
	struct ask *a = calloc(1, sizeof(*a));

	if (!a) {
		log_error("out of memory");
		return NULL;
	}
	a->signals = signals;
	a->fd = a->output = -1;
	if (open_connection(a, o) < 0)
		goto fail;
	a->lines = lines_new(a->fd);
	if (a->lines)
		return a;
	log_error("out of memory");
fail:
	ask_close(a);
	return NULL;
}

bool ask_is_private(const struct ask *a)
{
	return a->pid != 0;
}

pid_t ask_pid(const struct ask *a)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);

	return getsockopt(a->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

const char *ask_name(const struct ask *a)
{
	return a->name;
}

static int report_gone(struct ask *a)
{
	if (a->pid)
		return report_end(a);
	log_error("%s has ended", a->name);
	return -EPIPE;
}

static int report_refusal(const struct ask *a, const struct record_end *end)
{
	struct buf why = { 0 };

	text_append(&why, end->error ? end->error : "it gives no reason", false);
	buf_mem(&why, "", 1);
	log_error("%s refused: %s", a->name, why.failed ? "?" : why.data);
	buf_free(&why);
	return -EPROTO;
}

/* 0 to go on, 1 at the end of the answer, or a negative errno, said on stderr. */
static int take_line(struct ask *a, const char *line, size_t len, ask_record *take, void *ctx)
{
	struct record r;
	char why[160];
	int err = 0;

	switch (record_parse(line, len, &r, why, sizeof(why))) {
	case RECORD_FOREIGN:
		log_error("%s: %s; use the tcpshake of that daemon", a->name, why);
		return -EPROTO;
	case RECORD_BAD:
		log_warning("%s: an answer is skipped: %s", a->name, why);
		return 0;
	default:
		break;
	}
	if (r.type != RECORD_END)
		take(ctx, &r, line, len);
	else
		err = r.end.ok ? 1 : report_refusal(a, &r.end);
	record_free(&r);
	return err;
}

/* What is there. As take_line(). */
static int take_lines(struct ask *a, ask_record *take, void *ctx)
{
	enum line_kind kind;
	const char *line;
	size_t len;
	int err = 0;

	while (!err && (kind = lines_next(a->lines, &line, &len)) != LINE_NONE)
		if (kind == LINE_WHOLE)
			err = take_line(a, line, len, take, ctx);
	return err;
}

int ask_question(struct ask *a, const char *op, ask_record *take, void *ctx)
{
	char request[64];
	int len = snprintf(request, sizeof(request), "{\"op\":\"%s\"}\n", op);
	int err = daemon_send(a->fd, request, (size_t)len);

	if (err)
		return report_gone(a);
	for (;;) {
		ssize_t got;

		err = wait_input(a, a->fd, ANSWER_PATIENCE_MS);
		if (err == 0)
			log_error("%s does not answer", a->name);
		if (err <= 0)
			return err ? err : -ETIMEDOUT;
		got = lines_fill(a->lines);
		if (got <= 0)
			return report_gone(a);
		err = take_lines(a, take, ctx);
		if (err)
			return err < 0 ? err : 0;
	}
}

int ask_wait(struct ask *a, uint64_t until_ns)
{
	for (;;) {
		uint64_t now = clock_mono_ns();
		struct pollfd fds[] = {
			{ .fd = a->signals->fd, .events = POLLIN },
			{ .fd = a->fd, .events = POLLIN },
			{ .fd = STDOUT_FILENO }, /* only for POLLERR */
		};
		int ready;

		if (a->signals->stops)
			return -EINTR;
		if (a->signals->resized)
			return 1;
		if (now >= until_ns)
			return 0;
		ready = poll(fds, 3, (int)((until_ns - now) / NSEC_PER_MSEC) + 1);
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (ready > 0 && fds[0].revents)
			signals_read(a->signals);
		if (ready > 0 && fds[2].revents & (POLLERR | POLLHUP))
			return -EINTR;
		/* Nothing was asked: this is the end. */
		if (ready > 0 && fds[1].revents && !a->signals->stops && lines_fill(a->lines) <= 0)
			return report_gone(a);
	}
}

void ask_close(struct ask *a)
{
	if (!a)
		return;
	lines_free(a->lines);
	if (a->fd >= 0)
		close(a->fd);
	end_private(a);
	if (a->output >= 0)
		close(a->output);
	free(a);
}
