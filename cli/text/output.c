// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/text/output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

/* A pipe that polls as writable takes this much without blocking (pipe(7)). */
#define CHUNK PIPE_BUF

/* 1 if standard output takes a chunk, 0 if it is closed, or a negative errno. */
static int wait_writable(struct signals *signals)
{
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = STDOUT_FILENO, .events = POLLOUT },
			{ .fd = signals->fd, .events = POLLIN },
		};

		if (poll(fds, 2, -1) < 0)
			return -errno;
		if (fds[1].revents)
			signals_read(signals);
		if (signals->stops > 1)
			return -EINTR;
		if (fds[0].revents & POLLERR)
			return 0;
		if (fds[0].revents)
			return 1;
	}
}

int output_flush(struct output *o, struct signals *signals)
{
	size_t written = 0;
	int err = 0;

	if (o->buf.failed)
		err = -ENOMEM;
	while (!err && !o->closed && written < o->buf.len) {
		size_t rest = o->buf.len - written;
		int ready = wait_writable(signals);
		ssize_t n;

		if (ready <= 0) {
			o->closed = ready == 0;
			err = ready;
			continue;
		}
		n = write(STDOUT_FILENO, o->buf.data + written, rest < CHUNK ? rest : CHUNK);
		if (n >= 0)
			written += (size_t)n;
		else if (errno == EPIPE)
			o->closed = true;
		else if (errno != EAGAIN && errno != EINTR)
			err = -errno;
	}
	buf_clear(&o->buf);
	return err;
}

int output_print(struct output *o)
{
	const char *why = o->buf.failed ? strerror(ENOMEM) : NULL;

	errno = 0;
	if (!why && !o->closed && o->buf.len &&
	    (fwrite(o->buf.data, 1, o->buf.len, stdout) != o->buf.len || fflush(stdout)))
		why = strerror(errno);
	/* `tcpshake explain | head` has what it wanted. */
	o->closed = o->closed || errno == EPIPE;
	buf_clear(&o->buf);
	if (!why || o->closed)
		return 0;
	log_error("cannot write to standard output: %s", why);
	return -1;
}

void output_json(struct output *o, bool terminal, const char *lines, size_t len)
{
	for (size_t start = 0, end; start < len; start = end + 1) {
		const char *newline = memchr(lines + start, '\n', len - start);

		end = newline ? (size_t)(newline - lines) : len;
		if (terminal)
			buf_safe(&o->buf, lines + start, end - start);
		else
			buf_mem(&o->buf, lines + start, end - start);
		buf_lit(&o->buf, "\n");
	}
}
