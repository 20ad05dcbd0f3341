// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/feed/private.h"
#include "cli/text/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"

#define DAEMON "tcpshaked"
/* After it closed its output there is nothing left to do but to exit. */
#define EXIT_PATIENCE_MS 5000

static bool try_path(char *path, size_t size, const char *dir, size_t len, const char *below)
{
	int used = snprintf(path, size, "%.*s%s" DAEMON, (int)len, dir, below);

	return used > 0 && (size_t)used < size && access(path, X_OK) == 0;
}

/*
 * Beside our own executable, so that a build tree runs its own; in the sbin next to our bin,
 * where it is installed; else in $PATH, where an empty entry is the current directory.
 */
static bool find_daemon(char *path, size_t size)
{
	char self[PATH_MAX];
	const char *dir = getenv("PATH"), *slash;
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len > 0) {
		self[len] = '\0';
		slash = strrchr(self, '/');
		len = slash ? slash - self : 0;
		if (try_path(path, size, self, (size_t)len, "/") ||
		    try_path(path, size, self, (size_t)len, "/../sbin/"))
			return true;
	}
	while (dir) {
		size_t used = strcspn(dir, ":");

		if (try_path(path, size, dir, used, used ? "/" : ""))
			return true;
		dir = dir[used] ? dir + used + 1 : NULL;
	}
	return false;
}

/* What it is to report; NULL: as it does by itself. */
struct wants {
	const struct filter *filter;
	const char *events, *limits;
};

/* As a feed on its standard output, or serving at a socket and silent. */
static void build_arguments(const struct wants *wants, char *socket, char **argv, char flags[][16])
{
	static char program[] = DAEMON, output[] = "-o", to_stdout[] = "-", server[] = "-s",
		    none[] = "none", wanted[] = "--events", limited[] = "--limit";
	const struct filter *filter = wants->filter;

	*argv++ = program;
	*argv++ = output;
	*argv++ = socket ? none : to_stdout;
	*argv++ = server;
	*argv++ = socket ? socket : none;
	for (int i = 0; i < FILTER_KEYS; i++) {
		if (!filter || !filter->text[i])
			continue;
		snprintf(flags[i], sizeof(flags[i]), "--%s", filter_keys[i]);
		*argv++ = flags[i];
		*argv++ = filter->text[i];
	}
	if (wants->events) {
		*argv++ = wanted;
		*argv++ = (char *)(uintptr_t)wants->events; /* execv(3) promises not to touch it */
	}
	if (wants->limits) {
		*argv++ = limited;
		*argv++ = (char *)(uintptr_t)wants->limits;
	}
	*argv = NULL;
}

/* The child, up to exec. */
static void __attribute__((noreturn)) run_daemon(const char *path, char **argv, int out,
						 bool quiet, pid_t parent)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	setsid();
	signals_restore();
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    (quiet && dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO) < 0) ||
	    prctl(PR_SET_PDEATHSIG, SIGTERM) < 0) {
		log_error("cannot prepare %s: %s", path, strerror(errno));
		_exit(1);
	}
	/* Our parent may have died before the kernel began to watch it. */
	if (getppid() != parent)
		_exit(1);
	execv(path, argv);
	log_error("cannot run %s: %s", path, strerror(errno));
	_exit(1);
}

static int start(const char *path, char **argv, bool quiet, pid_t *pid)
{
	pid_t parent = getpid();
	int pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
		log_error("cannot make a pipe for %s: %s", path, strerror(errno));
		return -1;
	}
	*pid = fork();
	if (*pid == 0)
		run_daemon(path, argv, pipe_fds[1], quiet, parent);
	if (*pid < 0) {
		log_error("cannot start %s: %s", path, strerror(errno));
		close(pipe_fds[0]);
	}
	close(pipe_fds[1]);
	return *pid < 0 ? -1 : pipe_fds[0];
}

static int find_and_start(const struct wants *wants, char *socket, pid_t *pid)
{
	char path[PATH_MAX], flags[FILTER_KEYS][16];
	char *argv[5 + 2 * FILTER_KEYS + 2 + 2 + 1];

	if (!find_daemon(path, sizeof(path))) {
		log_error("no daemon serves, and there is no " DAEMON " beside this program or in "
			  "$PATH to start; install it or use --from");
		return -1;
	}
	build_arguments(wants, socket, argv, flags);
	return start(path, argv, false, pid);
}

int private_start(const struct filter *filter, const char *events, const char *limits, pid_t *pid)
{
	return find_and_start(&(struct wants){ filter, events, limits }, NULL, pid);
}

int private_serve(char *socket, pid_t *pid)
{
	return find_and_start(&(struct wants){ NULL, NULL, NULL }, socket, pid);
}

int private_probe(pid_t *pid)
{
	static char program[] = DAEMON, probe[] = "--probe";
	char path[PATH_MAX], *argv[] = { program, probe, NULL };

	return find_daemon(path, sizeof(path)) ? start(path, argv, true, pid) : -1;
}

int private_wait(pid_t pid)
{
	int status = 0, pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };

	/* Without pidfd_open() (before Linux 5.3) there is only waiting. */
	if (pidfd >= 0 && poll(&fd, 1, EXIT_PATIENCE_MS) == 0) {
		log_error(DAEMON " (pid %d) does not end; killing it", pid);
		kill(pid, SIGKILL);
	}
	if (pidfd >= 0)
		close(pidfd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

enum exit_status private_end(pid_t pid, const char *name, bool stopped)
{
	int status = private_wait(pid);

	if (WIFSIGNALED(status)) {
		/* It had not yet come to handle the signal that we sent. */
		if (stopped && WTERMSIG(status) == SIGTERM)
			return STATUS_OK;
		log_error("%s was killed by signal %d (%s)", name, WTERMSIG(status),
			  strsignal(WTERMSIG(status)));
		return STATUS_FAILED;
	}
	/* With these it has said why, on the stderr that we share. */
	if (WEXITSTATUS(status) <= STATUS_USAGE)
		return (enum exit_status)WEXITSTATUS(status);
	log_error("%s failed with exit status %d", name, WEXITSTATUS(status));
	return STATUS_FAILED;
}
