// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/feed/feed.h"
#include "cli/feed/connect.h"
#include "cli/feed/private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/lines.h"
#include "common/log.h"

/* The daemon answers the end of our half with the end of its own; it has nothing to compute. */
#define SOCKET_PATIENCE_MS 500
/* A private daemon drains its ring and detaches its programs. */
#define DAEMON_PATIENCE_MS 10000

enum input_kind { INPUT_RECORDING, INPUT_SOCKET, INPUT_PRIVATE };

struct input {
	enum input_kind kind;
	int fd;
	pid_t pid; /* INPUT_PRIVATE */
	bool killed;
	char name[160];
};

static int open_recording(struct input *f, const struct options *o)
{
	f->kind = INPUT_RECORDING;
	if (strcmp(o->from, "-") == 0) {
		snprintf(f->name, sizeof(f->name), "standard input");
		f->fd = STDIN_FILENO;
		return 0;
	}
	snprintf(f->name, sizeof(f->name), "%s", o->from);
	f->fd = open(o->from, O_RDONLY | O_CLOEXEC);
	if (f->fd >= 0)
		return 0;
	log_error("cannot open the recording %s: %s", o->from, strerror(errno));
	return -1;
}

static int subscribe(int fd, const struct filter *filter)
{
	cJSON *request = cJSON_CreateObject();
	char *text = NULL, *line = NULL;
	int err = -ENOMEM;

	cJSON_AddStringToObject(request, "op", "subscribe");
	if (cJSON_AddItemToObject(request, "filter", filter_to_json(filter)))
		text = cJSON_PrintUnformatted(request);
	if (text && asprintf(&line, "%s\n", text) >= 0)
		err = daemon_send(fd, line, strlen(line));
	free(line);
	cJSON_free(text);
	cJSON_Delete(request);
	return err;
}

static int open_socket(struct input *f, const struct options *o, int fd)
{
	int err = subscribe(fd, &o->filter);

	f->kind = INPUT_SOCKET;
	f->fd = fd;
	snprintf(f->name, sizeof(f->name), "the daemon at %s", o->socket);
	if (err)
		log_error("cannot subscribe to %s: %s", f->name, strerror(-err));
	return err;
}

static int open_private(struct input *f, const struct options *o)
{
	f->kind = INPUT_PRIVATE;
	f->fd = private_start(&o->filter, o->events, &f->pid);
	if (f->fd < 0)
		return -1;
	snprintf(f->name, sizeof(f->name), "the private tcpshaked (pid %d)", f->pid);
	return 0;
}

static int open_live(struct input *f, const struct options *o)
{
	int fd = daemon_connect(o->socket);

	if (fd >= 0)
		return open_socket(f, o, fd);
	if (!o->socket_given && daemon_is_absent(fd))
		return open_private(f, o);
	daemon_complain(o->socket, fd);
	return -1;
}

struct input *input_open(const struct options *o)
{
	struct input *f = calloc(1, sizeof(*f));

	if (!f) {
		log_error("out of memory");
		return NULL;
	}
	f->fd = -1;
	if ((o->from ? open_recording(f, o) : open_live(f, o)) == 0)
		return f;
	if (f->fd >= 0)
		close(f->fd);
	free(f);
	return NULL;
}

int input_fd(const struct input *f)
{
	return f->fd;
}

struct lines *input_lines(const struct input *f, struct unpack **unpack)
{
	*unpack = NULL;
	if (input_is_live(f))
		return lines_new(f->fd);
	*unpack = unpack_new(f->fd);
	return *unpack ? lines_new_from(unpack_read, *unpack) : NULL;
}

bool input_is_live(const struct input *f)
{
	return f->kind != INPUT_RECORDING;
}

bool input_is_private(const struct input *f)
{
	return f->kind == INPUT_PRIVATE;
}

bool input_needs_filter(const struct input *f)
{
	return f->kind == INPUT_RECORDING;
}

int input_ask(struct input *f, const char *op)
{
	char request[64];
	int len = snprintf(request, sizeof(request), "{\"op\":\"%s\"}\n", op);

	return f->kind == INPUT_SOCKET ? daemon_send(f->fd, request, (size_t)len) : 0;
}

const char *input_name(const struct input *f)
{
	return f->name;
}

bool input_stop(struct input *f, int *patience_ms)
{
	switch (f->kind) {
	case INPUT_SOCKET:
		*patience_ms = SOCKET_PATIENCE_MS;
		return shutdown(f->fd, SHUT_WR) == 0;
	case INPUT_PRIVATE:
		*patience_ms = DAEMON_PATIENCE_MS;
		return kill(f->pid, SIGTERM) == 0;
	default:
		return false;
	}
}

bool input_kill(struct input *f)
{
	if (f->kind != INPUT_PRIVATE)
		return false;
	f->killed = true;
	kill(f->pid, SIGKILL);
	return true;
}

static enum exit_status close_private(struct input *f, bool orderly)
{
	int status = private_wait(f->pid);

	if (f->killed)
		return STATUS_FAILED;
	if (WIFSIGNALED(status)) {
		/* It had not yet come to handle the signal that we sent. */
		if (orderly && WTERMSIG(status) == SIGTERM)
			return STATUS_OK;
		log_error("%s was killed by signal %d (%s)", f->name, WTERMSIG(status),
			  strsignal(WTERMSIG(status)));
		return STATUS_FAILED;
	}
	/* With these it has said why, on the stderr that we share. */
	if (WEXITSTATUS(status) == STATUS_FAILED || WEXITSTATUS(status) == STATUS_USAGE)
		return (enum exit_status)WEXITSTATUS(status);
	if (WEXITSTATUS(status)) {
		log_error("%s failed with exit status %d", f->name, WEXITSTATUS(status));
		return STATUS_FAILED;
	}
	if (orderly)
		return STATUS_OK;
	log_error("%s ended without a bye; its last records may be missing", f->name);
	return STATUS_FAILED;
}

enum exit_status input_close(struct input *f, bool orderly)
{
	enum exit_status status = STATUS_OK;

	/* First, so that a daemon blocked on a full pipe gets on. */
	if (f->fd > STDIN_FILENO)
		close(f->fd);
	if (f->kind == INPUT_PRIVATE) {
		status = close_private(f, orderly);
	} else if (f->kind == INPUT_SOCKET && !orderly) {
		log_error("%s died: its feed ended without a bye; see its log", f->name);
		status = STATUS_FAILED;
	}
	free(f);
	return status;
}
