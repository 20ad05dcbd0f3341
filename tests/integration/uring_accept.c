/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * uring_accept PORT: a listener that takes connections through io_uring, or by accept4().
 *
 * Says "ready", or "refused ERRNO" if this kernel allows no io_uring; it listens in either case.
 * Then it does what the lines of stdin say, and says "done" to each:
 *     uring     take one connection through io_uring
 *     accept    take one by accept4()
 *     close     close all that were taken
 * Ends when stdin does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "uring.h"

#define TAKEN_MAX 64

/* A descriptor or a negative errno. */
static int uring_accept(struct ring *ring, int listener)
{
	const struct io_uring_sqe request = { .opcode = IORING_OP_ACCEPT, .fd = listener,
					      .accept_flags = SOCK_CLOEXEC };

	return ring_do(ring, &request);
}

static int open_listener(unsigned int port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, TAKEN_MAX))
		return -1;
	return fd;
}

static void say(const char *what, int number)
{
	if (number)
		printf("%s %d\n", what, number);
	else
		puts(what);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int taken[TAKEN_MAX], count = 0, listener, error;
	struct ring ring = { .fd = -1 };
	char line[64];

	if (argc != 2 || (listener = open_listener((unsigned int)strtoul(argv[1], NULL, 10))) < 0) {
		fprintf(stderr, "usage: uring_accept PORT (%s)\n", strerror(errno));
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, 9); /* never outlive who started it */
	error = ring_open(&ring);
	say(error ? "refused" : "ready", error);
	while (fgets(line, sizeof(line), stdin)) {
		int fd = 0;

		if (strcmp(line, "close\n") == 0)
			while (count)
				close(taken[--count]);
		else if (strcmp(line, "uring\n") == 0)
			fd = uring_accept(&ring, listener);
		else
			fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0 || count == TAKEN_MAX) {
			fprintf(stderr, "uring_accept: %s: %s\n", line, strerror(fd < 0 ? -fd : 0));
			return 1;
		}
		if (fd)
			taken[count++] = fd;
		say("done", 0);
	}
	return 0;
}
