// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/top/terminal/stderr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEPT 8 /* lines */
#define LINE 400

static struct {
	bool begun;
	int fd; /* the end to read */
	int saved; /* what standard error was */
	char lines[KEPT][LINE];
	unsigned count; /* that ever came */
	char part[LINE]; /* of the next */
	size_t part_len;
} errors = { .fd = -1, .saved = -1 };

int top_stderr_begin(void)
{
	int fds[2];

	if (!isatty(STDERR_FILENO))
		return 0;
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	/* Only our end may not block: who writes must not lose lines. */
	fcntl(fds[1], F_SETFL, 0);
	errors.saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (errors.saved < 0 || dup2(fds[1], STDERR_FILENO) < 0) {
		int err = -errno;

		close(fds[0]);
		close(fds[1]);
		return err;
	}
	close(fds[1]);
	errors.fd = fds[0];
	errors.begun = true;
	return 0;
}

int top_stderr_fd(void)
{
	return errors.fd;
}

static void take(char c)
{
	if (c != '\n') {
		if (errors.part_len + 1 < LINE)
			errors.part[errors.part_len++] = c;
		return;
	}
	errors.part[errors.part_len] = '\0';
	errors.part_len = 0;
	memcpy(errors.lines[errors.count++ % KEPT], errors.part, LINE);
}

bool top_stderr_read(void)
{
	unsigned before = errors.count;
	char data[4096];
	ssize_t got;

	while (errors.fd >= 0 && (got = read(errors.fd, data, sizeof(data))) > 0)
		for (ssize_t i = 0; i < got; i++)
			take(data[i]);
	return errors.count != before;
}

const char *top_stderr_last(void)
{
	const char *line = errors.count ? errors.lines[(errors.count - 1) % KEPT] : "";
	const char *colon = strstr(line, ": ");

	return colon && strncmp(line, "tcpshake", 8) == 0 ? colon + 2 : line;
}

void top_stderr_end(bool print)
{
	if (!errors.begun)
		return;
	top_stderr_read();
	fflush(stderr);
	dup2(errors.saved, STDERR_FILENO);
	close(errors.saved);
	close(errors.fd);
	errors.fd = errors.saved = -1;
	errors.begun = false;
	for (unsigned i = errors.count > KEPT ? errors.count - KEPT : 0; print && i < errors.count; i++)
		fprintf(stderr, "%s\n", errors.lines[i % KEPT]);
}
