// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define STAT_TEXT 512 /* what is of interest stands in its first half */

static int read_stat(int dir, const char *name, struct process_state *state)
{
	char text[STAT_TEXT];
	int err = process_read_text(dir, name, text, sizeof(text));

	if (err)
		return err;
	return process_parse_stat(text, state) ? 0 : -EPROTO;
}

int process_read_start(int dir, uint32_t *start)
{
	struct process_state state;
	int err = read_stat(dir, "stat", &state);

	if (!err)
		*start = state.start;
	return err;
}

int process_read(uint32_t pid, struct process_state *state)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	return read_stat(AT_FDCWD, path, state);
}

bool process_is_gone(int err)
{
	return err == -ENOENT || err == -ESRCH || err == -ESTALE;
}
