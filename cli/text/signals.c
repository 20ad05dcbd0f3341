// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/text/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* nohup(1) ignores it, and a blocked signal would come through all the same. */
static bool hangup_is_ignored(void)
{
	struct sigaction action;

	return sigaction(SIGHUP, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static void wanted(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGWINCH);
	if (!hangup_is_ignored())
		sigaddset(set, SIGHUP);
}

int signals_init(struct signals *s)
{
	sigset_t set;

	wanted(&set);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->fd < 0 ? -errno : 0;
}

int signals_take_suspend(struct signals *s)
{
	sigset_t set, own;

	wanted(&set);
	sigaddset(&set, SIGTSTP);
	/* Restoring a terminal that is no longer ours must not stop us. */
	sigemptyset(&own);
	sigaddset(&own, SIGTSTP);
	sigaddset(&own, SIGTTOU);
	sigprocmask(SIG_BLOCK, &own, NULL);
	return signalfd(s->fd, &set, SFD_CLOEXEC | SFD_NONBLOCK) < 0 ? -errno : 0;
}

void signals_suspend(void)
{
	raise(SIGSTOP);
}

void signals_read(struct signals *s)
{
	struct signalfd_siginfo info;

	while (read(s->fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGWINCH)
			s->resized = true;
		else if (info.ssi_signo == SIGTSTP)
			s->suspended = true;
		else
			s->stops++;
	}
}

void signals_restore(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
}
