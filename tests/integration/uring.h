/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A ring of io_uring, without a library: mapped and filled by hand (io_uring(7)). For programs that define _GNU_SOURCE. */
#ifndef TCPSHAKE_TESTS_URING_H
#define TCPSHAKE_TESTS_URING_H

#include <errno.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RING_ENTRIES 4

struct ring {
	int fd;
	unsigned char *submit, *complete; /* the two rings */
	struct io_uring_sqe *entries;
	struct io_uring_params params;
};

static inline void *ring_map(const struct ring *ring, size_t size, off_t offset)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd,
			offset);

	return at == MAP_FAILED ? NULL : at;
}

/* 0 or an errno. */
static inline int ring_open(struct ring *ring)
{
	const struct io_uring_params *p = &ring->params;

	ring->fd = (int)syscall(__NR_io_uring_setup, RING_ENTRIES, &ring->params);
	if (ring->fd < 0)
		return errno;
	ring->submit = ring_map(ring, p->sq_off.array + p->sq_entries * sizeof(__u32), IORING_OFF_SQ_RING);
	ring->complete = ring_map(ring, p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe),
			     IORING_OFF_CQ_RING);
	ring->entries = ring_map(ring, p->sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	return ring->submit && ring->complete && ring->entries ? 0 : errno;
}

static inline _Atomic __u32 *word(unsigned char *at, __u32 offset)
{
	return (_Atomic __u32 *)(void *)(at + offset);
}

/* One request, waited for: its result. */
static inline int ring_do(struct ring *ring, const struct io_uring_sqe *request)
{
	const struct io_uring_params *p = &ring->params;
	_Atomic __u32 *tail = word(ring->submit, p->sq_off.tail);
	_Atomic __u32 *head = word(ring->complete, p->cq_off.head);
	__u32 slot = atomic_load(tail) & (p->sq_entries - 1), done;
	const struct io_uring_cqe *completions = (const void *)(ring->complete + p->cq_off.cqes);
	int result;

	ring->entries[slot] = *request;
	*word(ring->submit, p->sq_off.array + slot * (__u32)sizeof(__u32)) = slot;
	atomic_fetch_add(tail, 1);
	if (syscall(__NR_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -errno;
	done = atomic_load(head);
	result = completions[done & (p->cq_entries - 1)].res;
	atomic_store(head, done + 1);
	return result;
}

#endif
