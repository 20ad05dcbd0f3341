/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * crowd [-n NAMESPACES] [-l LISTENERS] [-r RATE] [-p PORT]: network namespaces with listeners in them.
 *
 * A process for each namespace (and for each 1,000 listeners) listens on LISTENERS ports from PORT (default 1024) on and, with -r,
 * makes RATE connections a second to the first and accepts them. With one namespace it is the one it
 * was started in. Prints one line of JSON when all listen; goes when its standard input ends.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PROCESS_LISTENERS 1000

struct order {
	int namespaces, listeners, rate, port;
};

static int fail(const char *what)
{
	fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
	return -1;
}

static int loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), err;

	err = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
	return err;
}

static struct sockaddr_in address(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* The first of them, non-blocking; the others stay open as long as the process. */
static int open_listeners(int port, int count)
{
	int first = -1;

	for (int i = 0; i < count; i++) {
		struct sockaddr_in to = address(port + i);
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

		if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
		    bind(fd, (struct sockaddr *)&to, sizeof(to)) || listen(fd, 128))
			return fail("listener");
		if (!i)
			first = fd;
	}
	return first;
}

static void connect_once(int listener, int port)
{
	static const struct linger at_once = { .l_onoff = 1 };
	struct sockaddr_in to = address(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), taken;

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	connect(fd, (struct sockaddr *)&to, sizeof(to));
	taken = accept(listener, NULL, NULL);
	if (taken >= 0)
		close(taken);
	close(fd);
}

static void live(const struct order *o, int listener)
{
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	while (o->rate) {
		connect_once(listener, o->port);
		next.tv_nsec += 1000000000L / o->rate;
		next.tv_sec += next.tv_nsec / 1000000000L;
		next.tv_nsec %= 1000000000L;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	for (;;)
		pause();
}

/* Part of the listeners in a process of its own, lest descriptors run out. */
static int share(int port, int count)
{
	int done[2];
	char one = 0;
	pid_t pid;

	if (pipe(done) || (pid = fork()) < 0)
		return fail("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (open_listeners(port, count) < 0 || write(done[1], &one, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(done[1]);
	if (read(done[0], &one, 1) != 1)
		return -1;
	return close(done[0]);
}

static int inhabit(const struct order *o, int ready)
{
	struct stat st;
	int listener = -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* never outlive who started it */
	if (o->namespaces > 1 && (unshare(CLONE_NEWNET) || loopback_up()))
		return fail("namespace");
	for (int i = PROCESS_LISTENERS; i < o->listeners; i += PROCESS_LISTENERS)
		if (share(o->port + i, o->listeners - i < PROCESS_LISTENERS ? o->listeners - i :
									      PROCESS_LISTENERS))
			return 1;
	listener = open_listeners(o->port, o->listeners < PROCESS_LISTENERS ? o->listeners :
									      PROCESS_LISTENERS);
	if (listener < 0 || stat("/proc/self/ns/net", &st) ||
	    write(ready, &st.st_ino, sizeof(st.st_ino)) != sizeof(st.st_ino))
		return 1;
	live(o, listener);
	return 0;
}

static int report(int ready, int count)
{
	ino_t inode;

	printf("{\"namespaces\":[");
	for (int i = 0; i < count; i++) {
		if (read(ready, &inode, sizeof(inode)) != sizeof(inode))
			return fail("a namespace did not come up");
		printf("%s%lu", i ? "," : "", (unsigned long)inode);
	}
	printf("]}\n");
	return fflush(stdout);
}

int main(int argc, char **argv)
{
	struct order o = { .namespaces = 1, .listeners = 1, .port = 1024 };
	int option, ready[2];
	char end;

	while ((option = getopt(argc, argv, "n:l:r:p:")) != -1) {
		int *value = option == 'n' ? &o.namespaces : option == 'l' ? &o.listeners :
			     option == 'r' ? &o.rate : option == 'p' ? &o.port : NULL;

		if (!value) {
			fprintf(stderr, "usage: crowd [-n NAMESPACES] [-l LISTENERS] [-r RATE] [-p PORT]\n");
			return 2;
		}
		*value = atoi(optarg);
	}
	if (o.namespaces < 1 || o.listeners < 1 || o.rate < 0 || o.port < 1 ||
	    o.port + o.listeners > 65536 || optind != argc)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pipe(ready))
		return fail("pipe") ? 1 : 0;
	for (int i = 0; i < o.namespaces; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			close(ready[0]);
			_exit(inhabit(&o, ready[1]));
		}
		if (pid < 0)
			return fail("fork") ? 1 : 0;
	}
	close(ready[1]);
	if (report(ready[0], o.namespaces))
		return 1;
	while (read(0, &end, 1) > 0)
		;
	return 0; /* and with it its processes, by PR_SET_PDEATHSIG */
}
