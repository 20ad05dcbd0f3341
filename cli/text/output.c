// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/text/output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

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
