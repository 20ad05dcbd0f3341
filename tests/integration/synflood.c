/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * synflood ADDRESS PORT COUNT RATE: COUNT SYNs to an IPv4 listener, RATE a second, each from
 * another forged source in 198.18.0.0/15 (RFC 2544). Whoever runs it sees to it that answers to
 * those addresses get nowhere. Prints how many left, as one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FIRST_SOURCE 0xc6120001U /* 198.18.0.1 */
#define SOURCES 131000
#define BURST_NS 2000000LL /* what is due is sent this often */
#define BURST_MAX 200 /* who is behind must not overrun net.core.netdev_max_backlog: others have a turn in between */
#define NS_PER_SECOND 1000000000LL

/* What a Linux client sends: MSS, SACK permitted, timestamps, window scale. */
static const unsigned char options[20] = { 2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 1,
					   0, 0, 0, 0,	  0, 0, 1, 3,  3, 7 };

struct packet {
	struct iphdr ip;
	struct tcphdr tcp;
	unsigned char options[sizeof(options)];
};

struct checked { /* RFC 9293 3.1: what the checksum covers */
	uint32_t source, destination;
	uint16_t protocol, length;
	struct tcphdr tcp;
	unsigned char options[sizeof(options)];
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

static uint16_t checksum(const void *data, size_t len)
{
	const unsigned char *bytes = data;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void fill(struct packet *p, const struct sockaddr_in *to, uint32_t number)
{
	struct checked checked;

	memset(p, 0, sizeof(*p));
	p->ip.version = 4;
	p->ip.ihl = sizeof(p->ip) / 4;
	p->ip.ttl = 64;
	p->ip.protocol = IPPROTO_TCP; /* the kernel adds the length, the id and the checksum */
	p->ip.saddr = htonl(FIRST_SOURCE + number % SOURCES);
	p->ip.daddr = to->sin_addr.s_addr;
	p->tcp.source = htons((uint16_t)(1024 + number / SOURCES));
	p->tcp.dest = to->sin_port;
	p->tcp.seq = htonl(number * 2654435761U);
	p->tcp.doff = (sizeof(p->tcp) + sizeof(options)) / 4;
	p->tcp.syn = 1;
	p->tcp.window = htons(64240);
	memcpy(p->options, options, sizeof(options));

	checked.source = p->ip.saddr;
	checked.destination = p->ip.daddr;
	checked.protocol = htons(IPPROTO_TCP);
	checked.length = htons(sizeof(p->tcp) + sizeof(options));
	checked.tcp = p->tcp;
	memcpy(checked.options, options, sizeof(options));
	p->tcp.check = checksum(&checked, sizeof(checked));
}

static long flood(int fd, const struct sockaddr_in *to, long count, long rate)
{
	int64_t begin = now_ns();
	long sent = 0;

	while (sent < count) {
		struct timespec pause = { .tv_nsec = BURST_NS };
		int64_t due = (now_ns() - begin) * rate / NS_PER_SECOND + 1;
		int behind = due > sent + BURST_MAX;

		if (behind)
			due = sent + BURST_MAX;
		for (; sent < count && sent < due; sent++) {
			struct packet packet;

			fill(&packet, to, (uint32_t)sent);
			while (sendto(fd, &packet, sizeof(packet), 0, (const struct sockaddr *)to,
				      sizeof(*to)) < 0) {
				if (errno != ENOBUFS && errno != EINTR) {
					fprintf(stderr, "synflood: %s\n", strerror(errno));
					return -1;
				}
			}
		}
		if (behind)
			sched_yield();
		else
			nanosleep(&pause, NULL);
	}
	return sent;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	long count, rate, sent;
	int fd;

	if (argc != 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 ||
	    (count = strtol(argv[3], NULL, 10)) < 1 || (rate = strtol(argv[4], NULL, 10)) < 1) {
		fprintf(stderr, "usage: synflood ADDRESS PORT COUNT RATE\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	prctl(PR_SET_PDEATHSIG, 9); /* never outlive who started it */
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW); /* implies IP_HDRINCL */
	if (fd < 0) {
		fprintf(stderr, "synflood: raw socket: %s\n", strerror(errno));
		return 1;
	}
	sent = flood(fd, &to, count, rate);
	if (sent < 0)
		return 1;
	printf("{\"sent\":%ld}\n", sent);
	close(fd);
	return 0;
}
