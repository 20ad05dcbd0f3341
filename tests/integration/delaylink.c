/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * delaylink DELAY_US IFACE IFACE: a wire with a length.
 *
 * Forwards whole Ethernet frames between two interfaces, each DELAY_US microseconds after it
 * came in, in both directions. For kernels without netem. Says "ready" on stdout once frames are
 * caught; stops with exit 0 when stdin ends, so it never outlives who started it.
 * The far ends must send real checksums and no segments above the MTU (no TSO, no tx checksum
 * offload): a frame is delivered as it is read.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

#define FRAMES 16384 /* a power of two */
#define FRAME_MAX 2048
#define NS_PER_SECOND 1000000000LL

struct frame {
	int64_t due;
	size_t len;
	unsigned char data[FRAME_MAX];
};

struct lane {
	int in, out;
	unsigned int head, tail; /* frames waiting: head - tail */
	struct frame *frames;
};

static uint64_t dropped;

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

static int open_interface(const char *name)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(name),
	};
	int one = 1, bytes = 8 << 20, fd;

	if (address.sll_ifindex == 0) {
		fprintf(stderr, "delaylink: no interface %s\n", name);
		return -1;
	}
	/* Protocol 0 until bound, or frames of other interfaces come in. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		fprintf(stderr, "delaylink: packet socket on %s: %s\n", name, strerror(errno));
		return -1;
	}
	return fd;
}

static void take_in(struct lane *lane, int64_t delay)
{
	for (;;) {
		struct frame *frame = &lane->frames[lane->head % FRAMES];
		ssize_t len;

		if (lane->head - lane->tail == FRAMES)
			return; /* the socket buffer holds what follows */
		len = recv(lane->in, frame->data, FRAME_MAX, MSG_TRUNC);
		if (len < 0)
			return;
		if (len > FRAME_MAX) {
			fprintf(stderr, "delaylink: a frame of %zd bytes: is offload off?\n", len);
			dropped++;
			continue;
		}
		frame->len = (size_t)len;
		frame->due = now_ns() + delay;
		lane->head++;
	}
}

static void let_out(struct lane *lane)
{
	while (lane->head != lane->tail) {
		struct frame *frame = &lane->frames[lane->tail % FRAMES];

		if (frame->due > now_ns())
			return;
		if (send(lane->out, frame->data, frame->len, 0) < 0) {
			if (errno == EAGAIN)
				return;
			dropped++; /* the far end is down */
		}
		lane->tail++;
	}
}

int main(int argc, char **argv)
{
	struct lane lanes[2] = { 0 };
	struct pollfd polls[3];
	int64_t delay;
	char byte;

	if (argc != 4) {
		fprintf(stderr, "usage: delaylink DELAY_US IFACE IFACE\n");
		return 2;
	}
	delay = strtoll(argv[1], NULL, 10) * 1000;
	for (int i = 0; i < 2; i++) {
		lanes[i].in = open_interface(argv[2 + i]);
		lanes[i].frames = calloc(FRAMES, sizeof(struct frame));
		if (lanes[i].in < 0 || !lanes[i].frames)
			return 1;
	}
	lanes[0].out = lanes[1].in;
	lanes[1].out = lanes[0].in;
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); /* wake at the nanosecond, not 50 us later */
	/* A busy machine makes no wire longer. Where that is not allowed, the bounds are wide. */
	sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 1 });
	polls[0] = (struct pollfd){ .fd = lanes[0].in, .events = POLLIN };
	polls[1] = (struct pollfd){ .fd = lanes[1].in, .events = POLLIN };
	polls[2] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
	if (puts("ready") < 0 || fflush(stdout))
		return 1;

	for (;;) {
		struct timespec wait = { 0 };
		int64_t due = INT64_MAX, left;

		for (int i = 0; i < 2; i++) {
			const struct lane *lane = &lanes[i];
			int64_t first = lane->frames[lane->tail % FRAMES].due;

			if (lane->head != lane->tail && first < due)
				due = first;
		}
		left = due - now_ns();
		if (left > 0 && due != INT64_MAX) {
			wait.tv_sec = left / NS_PER_SECOND;
			wait.tv_nsec = left % NS_PER_SECOND;
		}
		if (ppoll(polls, 3, due == INT64_MAX ? NULL : &wait, NULL) < 0 && errno != EINTR)
			return 1;
		if (polls[2].revents && read(STDIN_FILENO, &byte, 1) <= 0)
			break;
		for (int i = 0; i < 2; i++) {
			take_in(&lanes[i], delay);
			let_out(&lanes[i]);
		}
	}
	if (dropped)
		fprintf(stderr, "delaylink: %llu frames dropped\n", (unsigned long long)dropped);
	return 0;
}
