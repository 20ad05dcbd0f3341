/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * uring_accept PORT: a listener that takes connections through io_uring, or by accept4().
 *
 * Says "ready", or "refused ERRNO" if this kernel allows no io_uring; it listens in either case.
 * Then it does what the lines of stdin say, and says "done" to each:
 *     uring     take one connection through io_uring
 *     accept    take one by accept4()
 *     close     close all that were taken
 * Ends when stdin does. No library: the rings are mapped and filled by hand (io_uring(7)).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 4
#define TAKEN_MAX 64

struct ring {
	int fd;
	unsigned char *submit, *complete; /* the two rings */
	struct io_uring_sqe *entries;
	struct io_uring_params params;
};

static void *map(const struct ring *ring, size_t size, off_t offset)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd,
			offset);

	return at == MAP_FAILED ? NULL : at;
}

/* 0 or an errno. */
static int ring_open(struct ring *ring)
{
	const struct io_uring_params *p = &ring->params;

	ring->fd = (int)syscall(__NR_io_uring_setup, ENTRIES, &ring->params);
	if (ring->fd < 0)
		return errno;
	ring->submit = map(ring, p->sq_off.array + p->sq_entries * sizeof(__u32), IORING_OFF_SQ_RING);
	ring->complete = map(ring, p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe),
			     IORING_OFF_CQ_RING);
	ring->entries = map(ring, p->sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	return ring->submit && ring->complete && ring->entries ? 0 : errno;
}

static _Atomic __u32 *word(unsigned char *at, __u32 offset)
{
	return (_Atomic __u32 *)(void *)(at + offset);
}

/* A descriptor or a negative errno. */
static int uring_accept(struct ring *ring, int listener)
{
	const struct io_uring_params *p = &ring->params;
	_Atomic __u32 *tail = word(ring->submit, p->sq_off.tail);
	_Atomic __u32 *head = word(ring->complete, p->cq_off.head);
	__u32 slot = atomic_load(tail) & (p->sq_entries - 1), done;
	const struct io_uring_cqe *completions = (const void *)(ring->complete + p->cq_off.cqes);
	struct io_uring_sqe *entry = &ring->entries[slot];
	int result;

	memset(entry, 0, sizeof(*entry));
	entry->opcode = IORING_OP_ACCEPT;
	entry->fd = listener;
	entry->accept_flags = SOCK_CLOEXEC;
	*word(ring->submit, p->sq_off.array + slot * (__u32)sizeof(__u32)) = slot;
	atomic_fetch_add(tail, 1);
	if (syscall(__NR_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -errno;
	done = atomic_load(head);
	result = completions[done & (p->cq_entries - 1)].res;
	atomic_store(head, done + 1);
	return result;
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
