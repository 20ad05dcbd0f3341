// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How a feed is opened, and how it ends: each kind in its own way. */
#define _GNU_SOURCE
#include "cli/feed/connect.h"
#include "cli/feed/input_internal.h"
#include "cli/feed/private.h"
#include "cli/feed/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/unix_socket.h"

/* The daemon answers the end of our half with the end of its own; it has nothing to compute. */
#define SOCKET_PATIENCE_MS 500
/* A private daemon drains its ring and detaches its programs. */
#define DAEMON_PATIENCE_MS 10000
#define START_PATIENCE_NS (20 * NSEC_PER_SEC)
#define START_RETRY_MS 10

static struct track *add_track(struct input *f, int fd, const char *name)
{
	static const char dots[] = "...";
	struct track *t = &f->tracks[f->track_count++];
	size_t len = strlen(name);

	t->fd = fd;
	snprintf(t->name, sizeof(t->name), "%s", name);
	snprintf(t->host, sizeof(t->host), "%s%s", len < sizeof(t->host) ? "" : dots,
		 len < sizeof(t->host) ? name : name + len - (sizeof(t->host) - sizeof(dots)));
	snprintf(f->state.name, sizeof(f->state.name), "%s", name);
	return t;
}

/* Of a live feed. */
static int feed_fd(const struct input *f)
{
	return f->track_count ? f->tracks[0].fd : -1;
}

/* 0, or -1 after one line on stderr. */
static int check_ring(int dir, const char *path)
{
	struct segments segments;
	int err = segments_list(dir, &segments);
	bool empty = !segments.count;

	segments_free(&segments);
	if (err)
		log_error("cannot read the directory %s: %s", path, strerror(-err));
	else if (empty)
		log_error("%s is a directory without segments of tcpshake record --keep", path);
	return err || empty ? -1 : 0;
}

static int open_recording(struct input *f, const char *path)
{
	bool standard = strcmp(path, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct stat st = { 0 };
	struct track *t;

	if (fd < 0) {
		log_error("cannot open the recording %s: %s", path, strerror(errno));
		return -1;
	}
	t = add_track(f, fd, standard ? "standard input" : path);
	t->ring = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
	t->file = t->ring || S_ISREG(st.st_mode);
	if (t->ring && check_ring(fd, path) < 0)
		return -1;
	f->state.file = f->state.file && t->file;
	return 0;
}

static int open_recordings(struct input *f, const struct options *o)
{
	int err = 0;

	f->kind = INPUT_RECORDING;
	f->replay.speed = o->speed;
	f->since_ns = o->since_ns;
	f->until_ns = o->until_ns ? o->until_ns : UINT64_MAX;
	f->state.file = true;
	for (uint32_t i = 0; !err && i < o->from_count; i++)
		err = open_recording(f, o->froms[i]);
	return err;
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

static int open_socket(struct input *f, const struct options *o, int fd, bool silent)
{
	int err = silent ? 0 : subscribe(fd, &o->filter);
	char name[sizeof(f->state.name)];

	f->kind = INPUT_SOCKET;
	snprintf(name, sizeof(name), "the daemon at %s", o->socket);
	add_track(f, fd, name);
	if (err)
		log_error("cannot subscribe to %s: %s", f->state.name, strerror(-err));
	return err;
}

static int open_private(struct input *f, const struct options *o)
{
	int fd = private_start(&o->filter, o->events, NULL, &f->pid);
	char name[64];

	f->kind = INPUT_PRIVATE;
	if (fd < 0)
		return -1;
	snprintf(name, sizeof(name), "the private tcpshaked (pid %d)", f->pid);
	add_track(f, fd, name);
	return 0;
}

/* Wait for its end, for a moment: 1 if it has come, 0, or -EINTR if somebody wants us to stop. */
static int wait_for_end(const struct input *f, struct signals *signals)
{
	struct pollfd fds[] = {
		{ .fd = f->output, .events = POLLIN },
		{ .fd = signals->fd, .events = POLLIN },
	};

	if (!signals->stops && poll(fds, 2, START_RETRY_MS) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[1].revents)
		signals_read(signals);
	return signals->stops ? -EINTR : fds[0].revents != 0;
}

/* Connect to it as soon as it serves. 0, -EINTR, or another negative errno, said on stderr. */
static int await_private(struct input *f, const char *path, struct signals *signals)
{
	uint64_t give_up_at = clock_mono_ns() + START_PATIENCE_NS;
	char name[sizeof(f->state.name)];
	int ready = 0;

	while (!ready) {
		int fd = daemon_connect(path);

		if (fd >= 0) {
			snprintf(name, sizeof(name), "%s", f->state.name);
			add_track(f, fd, name);
			return 0;
		}
		if (!daemon_is_absent(fd) || clock_mono_ns() > give_up_at) {
			log_error("cannot connect to %s: %s", f->state.name, strerror(-fd));
			return fd;
		}
		ready = wait_for_end(f, signals);
	}
	if (ready < 0)
		return ready;
	input_report_end(f);
	return -EPIPE;
}

static void end_served(struct input *f)
{
	if (f->pid)
		kill(f->pid, SIGTERM);
	if (f->pid)
		private_wait(f->pid);
	if (f->output >= 0)
		close(f->output);
	f->pid = 0;
	f->output = -1;
}

/*
 * Once we are connected nobody needs the path any more: gone at once, it cannot be left behind,
 * whatever ends us. If it did not come to that, the daemon must go first, or it would make anew
 * what we remove.
 */
static int open_served(struct input *f, struct signals *signals)
{
	char dir[] = "/tmp/tcpshake-XXXXXX", path[sizeof(dir) + sizeof("/sock")];
	int err = -ENOENT;

	f->kind = INPUT_SERVED;
	snprintf(f->state.name, sizeof(f->state.name), "the private tcpshaked");
	if (!mkdtemp(dir)) {
		err = -errno;
		log_error("cannot make a directory for a private daemon's socket, %s: %s", dir,
			  strerror(errno));
		return err;
	}
	snprintf(path, sizeof(path), "%s/sock", dir);
	f->output = private_serve(path, &f->pid);
	if (f->output < 0) {
		f->pid = 0;
	} else {
		snprintf(f->state.name, sizeof(f->state.name), "the private tcpshaked (pid %d)", f->pid);
		err = await_private(f, path, signals);
		if (err)
			end_served(f);
	}
	unlink(path);
	rmdir(dir);
	return err;
}

/* The view that opens a feed takes signals itself, later: is there one that wants us to stop? */
static bool stop_is_wanted(void)
{
	sigset_t waiting;

	return sigpending(&waiting) == 0 && (sigismember(&waiting, SIGINT) > 0 || sigismember(&waiting, SIGTERM) > 0 ||
					     sigismember(&waiting, SIGHUP) > 0);
}

/*
 * A daemon that starts has its socket from the beginning on, and serves there once its programs are attached: another
 * one would see every handshake a second time. A connection, or a negative errno.
 */
static int await_daemon(const char *path)
{
	uint64_t give_up_at = clock_mono_ns() + START_PATIENCE_NS;
	int fd = daemon_connect(path);

	while (daemon_is_absent(fd) && unix_socket_is_held(path)) {
		if (clock_mono_ns() > give_up_at)
			return -ETIMEDOUT;
		if (stop_is_wanted())
			return -EINTR;
		poll(NULL, 0, START_RETRY_MS);
		fd = daemon_connect(path);
	}
	return fd;
}

/* With `signals` the feed is to be asked, and says nothing by itself. */
static int open_live(struct input *f, const struct options *o, struct signals *signals)
{
	int fd = await_daemon(o->socket);

	if (fd >= 0)
		return open_socket(f, o, fd, signals);
	if (!o->socket_given && daemon_is_absent(fd))
		return signals ? open_served(f, signals) : open_private(f, o);
	if (fd != -EINTR)
		daemon_complain(o->socket, fd);
	return fd;
}

struct input *input_open(const struct options *o, struct signals *signals,
			 const struct input_ops *ops, void *ctx)
{
	struct input *f = calloc(1, sizeof(*f));
	int err;

	if (!f) {
		log_error("out of memory");
		errno = ENOMEM;
		return NULL;
	}
	f->ops = ops;
	f->ctx = ctx;
	f->output = -1;
	err = o->from_count && !signals ? open_recordings(f, o) : open_live(f, o, signals);
	f->state.live = f->kind != INPUT_RECORDING;
	f->parts = f->state.live ? o->parts : NULL;
	f->state.private = f->kind == INPUT_PRIVATE || f->kind == INPUT_SERVED;
	if (!err && input_begin(f) == 0 && merge_compare(f) == 0)
		return f;
	if (err) {
		f->kind = INPUT_RECORDING; /* there is no daemon to wait for */
	} else {
		log_error("out of memory");
		input_kill(f);
	}
	input_close(f, true);
	errno = err ? -err : ENOMEM;
	return NULL;
}

pid_t input_daemon(const struct input *f)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);

	return getsockopt(feed_fd(f), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

int input_ask(struct input *f, const char *op)
{
	char request[64];
	int len = snprintf(request, sizeof(request), "{\"op\":\"%s\"}\n", op);
	bool hears = f->kind == INPUT_SOCKET || f->kind == INPUT_SERVED;

	return hears ? daemon_send(feed_fd(f), request, (size_t)len) : 0;
}

bool input_stop(struct input *f, int *patience_ms)
{
	switch (f->kind) {
	case INPUT_SOCKET:
		*patience_ms = SOCKET_PATIENCE_MS;
		return shutdown(feed_fd(f), SHUT_WR) == 0;
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

/* It says bye and detaches its programs. */
void input_drain(struct input *f)
{
	struct pollfd fd = { .fd = feed_fd(f), .events = POLLIN };
	int patience_ms;
	uint64_t until, now;

	if (f->kind != INPUT_PRIVATE || !input_stop(f, &patience_ms))
		return;
	until = clock_mono_ns() + (uint64_t)patience_ms * NSEC_PER_MSEC;
	while ((now = clock_mono_ns()) < until) {
		char data[65536];

		if (poll(&fd, 1, (int)((until - now) / NSEC_PER_MSEC) + 1) > 0 &&
		    read(fd.fd, data, sizeof(data)) <= 0)
			return;
	}
	input_kill(f);
}

void input_report_end(struct input *f)
{
	bool said = f->pid && private_end(f->pid, f->state.name, false) != STATUS_OK;

	f->pid = 0;
	if (!said)
		log_error("%s has ended", f->state.name);
}

static enum exit_status close_private(struct input *f, bool orderly)
{
	enum exit_status status;

	if (f->killed) {
		private_wait(f->pid);
		return STATUS_FAILED;
	}
	status = private_end(f->pid, f->state.name, orderly);
	if (status != STATUS_OK || orderly)
		return status;
	log_error("%s ended without a bye; its last records may be missing", f->state.name);
	return STATUS_FAILED;
}

enum exit_status input_close(struct input *f, bool orderly)
{
	enum exit_status status = STATUS_OK;

	/* First, so that a daemon blocked on a full pipe gets on. */
	for (uint32_t i = 0; i < f->track_count; i++)
		if (f->tracks[i].fd > STDIN_FILENO)
			close(f->tracks[i].fd);
	if (f->kind == INPUT_PRIVATE) {
		status = close_private(f, orderly);
	} else if (f->kind == INPUT_SERVED) {
		end_served(f);
	} else if (f->kind == INPUT_SOCKET && !orderly) {
		log_error("%s died: its feed ended without a bye; see its log", f->state.name);
		status = STATUS_FAILED;
	}
	input_release(f);
	hosts_free(f->hosts);
	free(f);
	return status;
}
