/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * storm [-n COUNT] [-6] [-p PORT] [-t THREADS] [-r RATE]: TCP connections over loopback, as fast as
 * it goes, or RATE a second.
 *
 * Each of THREADS clients (default 1) connects, one connection after another, to a listener that
 * a thread of its own accepts from and closes. The client ends with a RST (SO_LINGER 0), so no
 * TIME_WAIT stays and the ports never run out. Each client has a port of its own from PORT on
 * (default: any), so that accept() is not contended. Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 4096
#define MAX_THREADS 64

struct lane {
	int listener;
	long count;
	long pause_ns; /* from the beginning of one to that of the next; 0: none */
	struct sockaddr_storage address;
	socklen_t address_len;
	long failed;
	int error; /* of the first that failed */
	pthread_t client, server;
};

static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

static void *serve(void *arg)
{
	struct lane *lane = arg;

	for (;;) {
		int fd = accept4(lane->listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			close(fd);
		else if (errno == EINVAL || errno == EBADF) /* shut down: the storm is over */
			return NULL;
	}
}

/* Who is late goes on at once, so that the rate holds on average. */
static void wait_for_next(struct timespec *next, long pause_ns)
{
	next->tv_nsec += pause_ns;
	next->tv_sec += next->tv_nsec / 1000000000;
	next->tv_nsec %= 1000000000;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL);
}

static void *storm(void *arg)
{
	struct lane *lane = arg;
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);

	for (long i = 0; i < lane->count; i++) {
		int fd = socket(lane->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) ||
		    connect(fd, (struct sockaddr *)&lane->address, lane->address_len)) {
			if (!lane->failed++)
				lane->error = errno;
		}
		if (fd >= 0)
			close(fd);
		if (lane->pause_ns)
			wait_for_next(&next, lane->pause_ns);
	}
	return NULL;
}

static int open_lane(struct lane *lane, int family, unsigned int port)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&lane->address;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&lane->address;
	int one = 1;

	lane->address.ss_family = (sa_family_t)family;
	if (family == AF_INET6) {
		v6->sin6_addr = in6addr_loopback;
		v6->sin6_port = htons((uint16_t)port);
		lane->address_len = sizeof(*v6);
	} else {
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		v4->sin_port = htons((uint16_t)port);
		lane->address_len = sizeof(*v4);
	}
	lane->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (lane->listener < 0 ||
	    setsockopt(lane->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(lane->listener, (struct sockaddr *)&lane->address, lane->address_len) ||
	    listen(lane->listener, BACKLOG) ||
	    getsockname(lane->listener, (struct sockaddr *)&lane->address, &lane->address_len)) {
		fprintf(stderr, "storm: listener on port %u: %s\n", port, strerror(errno));
		return -1;
	}
	return 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int run(struct lane *lanes, int threads)
{
	long failed = 0, done = 0;
	double begin, seconds;
	int error = 0;

	for (int i = 0; i < threads; i++)
		if (pthread_create(&lanes[i].server, NULL, serve, &lanes[i])) {
			fprintf(stderr, "storm: cannot start a thread\n");
			return 1;
		}
	begin = now();
	for (int i = 0; i < threads; i++)
		if (pthread_create(&lanes[i].client, NULL, storm, &lanes[i])) {
			fprintf(stderr, "storm: cannot start a thread\n");
			return 1;
		}
	for (int i = 0; i < threads; i++)
		pthread_join(lanes[i].client, NULL);
	seconds = now() - begin;
	for (int i = 0; i < threads; i++) {
		shutdown(lanes[i].listener, SHUT_RDWR);
		pthread_join(lanes[i].server, NULL);
		close(lanes[i].listener);
		failed += lanes[i].failed;
		done += lanes[i].count - lanes[i].failed;
		if (!error)
			error = lanes[i].error;
	}
	printf("{\"connections\":%ld,\"seconds\":%.6f,\"rate\":%.1f}\n", done, seconds,
	       (double)done / seconds);
	if (failed)
		fprintf(stderr, "storm: %ld failed, first: %s\n", failed, strerror(error));
	return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct lane lanes[MAX_THREADS] = { 0 };
	int family = AF_INET, threads = 1, option;
	unsigned int port = 0;
	long count = 100000, rate = 0;

	while ((option = getopt(argc, argv, "n:6p:t:r:")) != -1) {
		if (option == 'n')
			count = strtol(optarg, NULL, 10);
		else if (option == '6')
			family = AF_INET6;
		else if (option == 'p')
			port = (unsigned int)strtoul(optarg, NULL, 10);
		else if (option == 't')
			threads = (int)strtol(optarg, NULL, 10);
		else if (option == 'r')
			rate = strtol(optarg, NULL, 10);
		else
			count = -1;
	}
	if (count < 1 || threads < 1 || threads > MAX_THREADS || rate < 0 ||
	    optind != argc) {
		fprintf(stderr, "usage: storm [-n COUNT] [-6] [-p PORT] [-t THREADS] [-r RATE]\n");
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, 9); /* never outlive who started it */
	for (int i = 0; i < threads; i++) {
		lanes[i].count = count / threads + (i < count % threads);
		lanes[i].pause_ns = rate ? 1000000000L * threads / rate : 0;
		if (open_lane(&lanes[i], family, port ? port + (unsigned int)i : 0))
			return 1;
	}
	return run(lanes, threads);
}
