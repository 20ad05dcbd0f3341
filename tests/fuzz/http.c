// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What anybody on loopback can send to the metrics: any bytes, in pieces, and gone. In a network namespace of its own. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "daemon/metrics/http.h"
#include "tests/fuzz/fuzz.h"

#define PORT 9469

static struct event_base *base;
static struct metrics *metrics;

static void put_metrics(void *ctx, struct exposition *e)
{
	(void)ctx;
	exposition_family(e, "fuzzed", METRIC_COUNTER, NULL, "As many as there are.");
	exposition_start(e, "_total");
	exposition_label_number(e, "port", e->fine_port);
	exposition_value(e, 1);
}

/* Its loopback interface is not up by itself. Without the right to have one, the host's will do. */
static void isolate(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (unshare(CLONE_NEWNET) != 0)
		return;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	FUZZ_CHECK(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0);
	close(fd);
}

static void leave(void)
{
	metrics_free(metrics);
	event_base_free(base);
}

static void enter(void)
{
	const struct metrics_address address = { "127.0.0.1", PORT };

	log_init("fuzz", LOG_LEVEL_ERROR);
	isolate();
	base = event_base_new();
	FUZZ_CHECK(base && metrics_open(&metrics, base, &address, put_metrics, NULL) == 0);
	atexit(leave);
}

static void run(void)
{
	for (int i = 0; i < 3; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

/* True while it may answer more. */
static bool receive(int fd, char *answers, size_t size, size_t *len)
{
	ssize_t n;

	run();
	while ((n = recv(fd, answers + *len, size - *len, MSG_DONTWAIT)) > 0) {
		*len += (size_t)n;
		run();
	}
	return n != 0;
}

/* Ends with a RST, or the namespace has no port left after some seconds. */
static void end(int fd)
{
	const struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	run();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(PORT),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static char answers[256 * 1024];
	size_t sent = 0, piece = size ? data[0] * 64 + 1 : 1, len = 0;
	bool open = true;
	int fd;

	if (!metrics)
		enter();
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FUZZ_CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	while (open && sent < size) {
		size_t want = size - sent < piece ? size - sent : piece;
		ssize_t n = send(fd, data + sent, want, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n <= 0)
			break; /* it closed the connection, as it may */
		sent += (size_t)n;
		open = receive(fd, answers, sizeof(answers), &len);
	}
	shutdown(fd, SHUT_WR);
	if (open)
		receive(fd, answers, sizeof(answers), &len);
	FUZZ_CHECK(!len || (len > 12 && memcmp(answers, "HTTP/", 5) == 0));
	end(fd);
	return 0;
}
