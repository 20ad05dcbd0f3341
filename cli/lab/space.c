// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/lab/space.h"
#include "cli/lab/link.h"
#include "cli/lab/words.h"
#include "cli/text/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"

#define OWN "/proc/thread-self/ns/net"

static int open_own(void)
{
	int fd = open(OWN, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* ---- writing files of /proc/sys ---- */

/* As sysctl(8): dots are slashes. 0 or a negative errno. */
static int write_sysctl(const char *name, const char *value)
{
	char path[160];
	ssize_t written;
	int fd, err;

	if (strstr(name, "..") || name[0] == '/')
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	for (char *dot = path; (dot = strchr(dot, '.')); )
		*dot = '/';
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	written = write(fd, value, strlen(value));
	err = written < 0 ? -errno : 0;
	close(fd);
	return err;
}

int lab_space_sysctl(const struct lab_space *s, const struct lab_statement *st, char *error, size_t size)
{
	int err = lab_space_enter(s, st->place);

	err = err ? err : write_sysctl(st->name, st->rest);
	lab_space_leave(s);
	if (err)
		snprintf(error, size, "cannot set %s to %s in %s: %s", st->name, st->rest,
			 lab_places[st->place], err == -ENOENT ? "this kernel has no such sysctl" : strerror(-err));
	return err ? -1 : 0;
}

/* ---- namespaces ---- */

int lab_space_enter(const struct lab_space *s, enum lab_place place)
{
	return setns(s->fds[place], CLONE_NEWNET) < 0 ? -errno : 0;
}

void lab_space_leave(const struct lab_space *s)
{
	if (setns(s->home, CLONE_NEWNET) < 0)
		log_error("cannot return to the network namespace of this host: %s", strerror(errno));
}

static void __attribute__((noreturn)) reside(pid_t parent)
{
	signals_restore();
	close_range(0, ~0U, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent)
		for (;;)
			pause();
	_exit(0);
}

static int settle(struct lab_space *s, enum lab_place place)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0)
		reside(parent);
	s->residents[place] = pid > 0 ? pid : 0;
	return pid < 0 ? -errno : 0;
}

/* A new namespace, its loopback up. No address is tried for duplicates: that would take a second. */
static int make(struct lab_space *s, enum lab_place place)
{
	struct stat st;
	int err = unshare(CLONE_NEWNET) < 0 ? -errno : 0;

	if (!err && (s->fds[place] = open_own()) < 0)
		err = s->fds[place];
	if (err)
		return err;
	if (fstat(s->fds[place], &st) == 0)
		s->inodes[place] = st.st_ino;
	write_sysctl("net.ipv6.conf.default.accept_dad", "0");
	write_sysctl("net.ipv6.conf.default.dad_transmits", "0");
	write_sysctl("net.ipv6.conf.default.accept_ra", "0");
	err = settle(s, place);
	return err ? err : lab_link_up("lo");
}

static int join(struct lab_space *s)
{
	int err = lab_space_enter(s, LAB_A);

	err = err ? err : lab_link_pair(s->fds[LAB_B]);
	for (int place = 0; place < LAB_PLACES && !err; place++) {
		err = lab_space_enter(s, (enum lab_place)place);
		err = err ? err : lab_link_up(LAB_VETH);
		err = err ? err : lab_link_address(LAB_VETH, (uint8_t)(place + 1));
	}
	return err;
}

int lab_space_open(struct lab_space *s)
{
	int err;

	*s = (struct lab_space){ .fds = { -1, -1 } };
	s->home = err = open_own();
	for (int place = 0; place < LAB_PLACES && err >= 0; place++)
		err = make(s, (enum lab_place)place);
	if (err >= 0)
		err = join(s);
	if (s->home >= 0)
		lab_space_leave(s);
	if (err >= 0)
		return 0;
	log_error("cannot make the lab's network namespaces: %s%s", strerror(-err),
		  err == -EPERM ? "; run it as root" : err == -EOPNOTSUPP ? " (veth is needed)" : "");
	lab_space_close(s);
	return -1;
}

void lab_space_close(struct lab_space *s)
{
	for (int place = 0; place < LAB_PLACES; place++) {
		if (s->fds[place] >= 0)
			close(s->fds[place]);
		if (s->residents[place]) {
			kill(s->residents[place], SIGKILL);
			waitpid(s->residents[place], NULL, 0);
		}
		s->residents[place] = 0;
	}
	if (s->home >= 0)
		close(s->home);
	s->home = s->fds[LAB_A] = s->fds[LAB_B] = -1;
}

/* ---- nft(8) and netem ---- */

static void __attribute__((noreturn)) run_nft(int in, int out, pid_t parent)
{
	signals_restore();
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(126);
	execlp("nft", "nft", "-f", "-", (char *)NULL);
	execl("/usr/sbin/nft", "nft", "-f", "-", (char *)NULL);
	_exit(127);
}

/* What it said, in one line. Its wait status, or a negative errno. */
static int feed_nft(const char *rules, char *said, size_t size)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, status = 0;
	pid_t parent = getpid(), pid;
	size_t len = 0;
	ssize_t got;

	*said = '\0';
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		return -errno;
	if (pid == 0)
		run_nft(in[0], out[1], parent);
	close(in[0]);
	close(out[1]);
	/* A statement is a line: it fits in the pipe. */
	dprintf(in[1], "%s\n", rules);
	close(in[1]);
	while (len + 1 < size && (got = read(out[0], said + len, size - 1 - len)) > 0)
		len += (size_t)got;
	close(out[0]);
	said[len] = '\0';
	said[strcspn(said, "\n")] = '\0';
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

int lab_space_nft(const struct lab_space *s, const struct lab_statement *st, char *error, size_t size)
{
	char said[200];
	int status = lab_space_enter(s, st->place);

	status = status ? status : feed_nft(st->rest, said, sizeof(said));
	lab_space_leave(s);
	if (status == 0)
		return 0;
	if (status < 0)
		snprintf(error, size, "cannot run nft: %s", strerror(-status));
	else if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		snprintf(error, size, "cannot run nft: it is not installed; install nftables");
	else
		snprintf(error, size, "nft refused it: %s", *said ? said : "it gives no reason");
	return -1;
}

int lab_space_delay(const struct lab_space *s, const struct lab_statement *st, char *error, size_t size)
{
	int err = lab_space_enter(s, st->place);

	err = err ? err : lab_link_delay(LAB_VETH, st->duration_ns);
	lab_space_leave(s);
	if (err)
		snprintf(error, size, "cannot delay what %s sends: %s", lab_places[st->place],
			 err == -ENOENT ? "this kernel has no netem (CONFIG_NET_SCH_NETEM)" : strerror(-err));
	return err ? -1 : 0;
}
