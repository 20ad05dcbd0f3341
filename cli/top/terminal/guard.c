// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/top/terminal/guard.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <curses.h>
#include <term.h>

#include "common/log.h"

bool top_guard_can_draw(char *why, size_t size)
{
	const char *name = getenv("TERM");
	int err;

	if (!isatty(STDOUT_FILENO)) {
		snprintf(why, size, "standard output is no terminal");
		return false;
	}
	if (setupterm(NULL, STDOUT_FILENO, &err) != OK) {
		snprintf(why, size, "nothing is known of the terminal TERM=%s", name ? name : "");
		return false;
	}
	if (cursor_address)
		return true;
	snprintf(why, size, "the terminal TERM=%s cannot move its cursor", name ? name : "");
	return false;
}

/* How it was, and what brings a terminal back to it. */
struct terminal {
	bool saved;
	struct termios modes;
};

static const int passed_on[] = { SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGWINCH };

static void restore(const struct terminal *t)
{
	const char *const ends[] = { exit_attribute_mode, keypad_local, cursor_normal, exit_ca_mode };

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (ends[i])
			putp(ends[i]);
	fflush(stdout);
	if (t->saved)
		tcsetattr(STDOUT_FILENO, TCSANOW, &t->modes);
}

/* From the terminal it comes to both of us: only what was sent to us alone is passed on. */
static void pass_on(pid_t child, const siginfo_t *info)
{
	if (info->si_code == SI_USER && info->si_pid != child)
		kill(child, info->si_signo);
}

/* The child may have died before it put the terminal back as it was. */
static void restore_if_needed(const struct terminal *t)
{
	struct termios now;

	if (!t->saved || tcgetattr(STDOUT_FILENO, &now) < 0 ||
	    (now.c_iflag == t->modes.c_iflag && now.c_oflag == t->modes.c_oflag &&
	     now.c_cflag == t->modes.c_cflag && now.c_lflag == t->modes.c_lflag))
		return;
	restore(t);
}

/* -1 while the child runs, else its exit status. */
static int look_after(pid_t child, const struct terminal *t)
{
	int status;
	pid_t pid = waitpid(child, &status, WNOHANG | WUNTRACED);

	if (pid != child)
		return -1;
	if (WIFSTOPPED(status)) {
		/* The shell has the terminal until it continues us. */
		raise(SIGSTOP);
		kill(child, SIGCONT);
		return -1;
	}
	restore_if_needed(t);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	log_error("the process that drew (pid %d) was killed by signal %d (%s); the terminal is as "
		  "it was", child, WTERMSIG(status), strsignal(WTERMSIG(status)));
	return 1;
}

static void begin_child(pid_t parent, const sigset_t *before)
{
	sigprocmask(SIG_SETMASK, before, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	/* It may have died before the kernel began to watch it. */
	if (getppid() != parent)
		_exit(1);
}

int top_guard_run(int (*work)(void *ctx), void *ctx)
{
	struct terminal t = { 0 };
	pid_t parent = getpid(), child;
	sigset_t set, before;
	siginfo_t info;
	int status;

	t.saved = tcgetattr(STDOUT_FILENO, &t.modes) == 0;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
		sigaddset(&set, passed_on[i]);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTTOU);
	sigprocmask(SIG_BLOCK, &set, &before);
	sigdelset(&set, SIGTTOU); /* blocked: it does not stop us when we restore */
	child = fork();
	if (child == 0) {
		begin_child(parent, &before);
		status = work(ctx);
		fflush(stdout);
		_exit(status);
	}
	if (child < 0) {
		log_error("cannot start a process: %s", strerror(errno));
		return 1;
	}
	while ((status = look_after(child, &t)) < 0) {
		int number = sigwaitinfo(&set, &info);

		if (number > 0 && number != SIGCHLD)
			pass_on(child, &info);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return status;
}
