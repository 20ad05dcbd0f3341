// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STAT_TEXT 512 /* what is of interest stands in its first half */
#define FIELDS_BEFORE_START 19 /* of proc_pid_stat(5), from the state on, the third, to starttime, the 22nd */

bool process_parse_stat(const char *text, struct process_state *state)
{
	const char *name = strchr(text, '('), *end = strrchr(text, ')'), *at = end;
	unsigned long long ticks;
	size_t len;

	if (!name || !end || end < name)
		return false;
	for (int i = 0; i < FIELDS_BEFORE_START + 1; i++) {
		at = strchr(at, ' ');
		if (!at)
			return false;
		at++;
	}
	if (sscanf(at, "%llu ", &ticks) != 1)
		return false;
	len = (size_t)(end - name) - 1;
	*state = (struct process_state){ .start = (uint32_t)ticks };
	memcpy(state->comm, name + 1, len < COMM_LEN ? len : COMM_LEN - 1);
	return true;
}

int process_read_text(int dir, const char *name, char *text, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC), err;
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, text, size - 1);
	err = len < 0 ? -errno : 0;
	close(fd);
	text[len < 0 ? 0 : len] = '\0';
	return err;
}

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
