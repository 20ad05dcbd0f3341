/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * listen_call compat|uring FD BACKLOG: listen() on an inherited socket, by the system call of the 32-bit ABI or through
 * io_uring. Prints the errno, 0 if it listens.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uring.h"

#define LISTEN_OF_I386 363
#define URING_LISTEN 57 /* IORING_OP_LISTEN, from 6.11 */

static int compat_listen(long fd, long backlog)
{
#ifdef __x86_64__
	int ret;

	asm volatile("int $0x80"
		     : "=a"(ret)
		     : "a"(LISTEN_OF_I386), "b"(fd), "c"(backlog), "d"(0), "S"(0), "D"(0)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
#else
	(void)fd, (void)backlog;
	return -ENOSYS;
#endif
}

static int uring_listen(int fd, int backlog)
{
	const struct io_uring_sqe request = { .opcode = URING_LISTEN, .fd = fd, .len = (__u32)backlog };
	struct ring ring = { .fd = -1 };
	int error = ring_open(&ring);

	return error ? -error : ring_do(&ring, &request);
}

int main(int argc, char **argv)
{
	int fd, backlog;

	if (argc != 4) {
		fputs("usage: listen_call compat|uring FD BACKLOG\n", stderr);
		return 2;
	}
	fd = atoi(argv[2]);
	backlog = atoi(argv[3]);
	printf("%d\n", strcmp(argv[1], "uring") == 0 ? -uring_listen(fd, backlog) : -compat_listen(fd, backlog));
	return 0;
}
