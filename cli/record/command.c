// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/record/command.h"
#include "cli/text/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"

/* The child, up to exec. */
static void __attribute__((noreturn)) run(const char *program, const char *path, const char *word)
{
	char *argv[] = { strdup(program), strdup(path), strdup(word), NULL };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	setsid();
	signals_restore();
	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0 && argv[0])
		execvp(argv[0], argv);
	log_error("cannot run %s: %s", program, strerror(errno));
	_exit(127);
}

void command_run(struct command *c, const char *program, const char *path, const char *word)
{
	command_check(c);
	if (c->pid) {
		log_warning("%s still runs for the incident before, and is not started for %s", program, path);
		return;
	}
	c->pid = fork();
	if (c->pid == 0)
		run(program, path, word);
	if (c->pid > 0)
		return;
	log_error("cannot start %s: %s", program, strerror(errno));
	c->pid = 0;
}

void command_check(struct command *c)
{
	int status;

	if (!c->pid || waitpid(c->pid, &status, WNOHANG) <= 0)
		return;
	c->pid = 0;
	if (WIFSIGNALED(status))
		log_warning("the command of --then was killed by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		log_warning("the command of --then failed with exit status %d", WEXITSTATUS(status));
}
