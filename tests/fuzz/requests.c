// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What anybody who may open the daemon's socket can send to it: any bytes, in pieces, and gone. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "daemon/output/control.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/serving.h"

static char path[64];
static struct event_base *base;
static struct sinks *sinks;
static struct control *control;

static void leave(void)
{
	control_free(control);
	sinks_free(sinks);
	event_base_free(base);
}

static void enter(void)
{
	static const struct control_handler handler = {
		.hello = serve_hello, .probe = serve_probe, .listeners = serve_nothing,
		.stats = serve_nothing,  .end = serve_end,
	};

	const struct control_place place = { path, GROUP_UNCHANGED };

	log_init("fuzz", LOG_LEVEL_ERROR);
	snprintf(path, sizeof(path), "/tmp/tcpshake-fuzz-%d.sock", (int)getpid());
	base = event_base_new();
	sinks = base ? sinks_new(base) : NULL;
	FUZZ_CHECK(sinks && control_open(&control, &place, base, sinks, &handler) == 0 &&
		   control_listen(control) == 0);
	atexit(leave);
}

static void run(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

/* Answers are whole lines, each of them an object. */
static void check_answers(const char *text, size_t len)
{
	while (len) {
		const char *newline = memchr(text, '\n', len);
		size_t line = newline ? (size_t)(newline - text) : len;
		cJSON *json = cJSON_ParseWithLength(text, line);

		FUZZ_CHECK(newline && json);
		cJSON_Delete(json);
		text += line + 1;
		len -= line + 1;
	}
}

static size_t receive(int fd, char *answers, size_t size)
{
	size_t len = 0;
	ssize_t n;

	run();
	while (len < size && (n = recv(fd, answers + len, size - len, MSG_DONTWAIT)) > 0) {
		len += (size_t)n;
		run();
	}
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	static char answers[256 * 1024];
	size_t sent = 0, piece = size ? data[0] * 64 + 1 : 1, len = 0;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!control)
		enter();
	memcpy(addr.sun_path, path, strlen(path));
	FUZZ_CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	while (sent < size) {
		size_t want = size - sent < piece ? size - sent : piece;
		ssize_t n = send(fd, data + sent, want, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n <= 0)
			break; /* it closed the connection, as it may */
		sent += (size_t)n;
		len += receive(fd, answers + len, sizeof(answers) - len);
	}
	shutdown(fd, SHUT_WR);
	len += receive(fd, answers + len, sizeof(answers) - len);
	if (len < sizeof(answers))
		check_answers(answers, len);
	close(fd);
	run();
	return 0;
}
