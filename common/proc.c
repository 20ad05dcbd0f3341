// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "common/proc.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIELDS_BEFORE_START 19 /* of proc_pid_stat(5), from the state on, the third, to starttime, the 22nd */
#define ROOT_FIELD 3 /* of proc_pid_mountinfo(5), from 0: which part of the file system is mounted */

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

int process_each(DIR *root, int (*fn)(void *ctx, uint32_t pid), void *ctx)
{
	struct dirent *entry;
	int err = 0;

	rewinddir(root);
	while (!err && (errno = 0, entry = readdir(root))) {
		char *end;
		unsigned long pid = strtoul(entry->d_name, &end, 10);

		if (isdigit((unsigned char)entry->d_name[0]) && !*end && pid && pid <= UINT32_MAX)
			err = fn(ctx, (uint32_t)pid);
	}
	return err ? err : -errno;
}

uint64_t process_parse_link(const char *target, const char *kind)
{
	size_t len = strlen(kind);
	const char *digits = target + len + 2;
	unsigned long long number;
	char *end;

	if (strncmp(target, kind, len) != 0 || strncmp(target + len, ":[", 2) != 0 || !isdigit((unsigned char)*digits))
		return 0;
	errno = 0;
	number = strtoull(digits, &end, 10);
	return errno || strcmp(end, "]") != 0 ? 0 : number;
}

uint32_t netns_read_link(int at, const char *path)
{
	char target[64];
	ssize_t len = readlinkat(at, path, target, sizeof(target) - 1);

	if (len < 0)
		return 0;
	target[len] = '\0';
	errno = ENOENT;
	return (uint32_t)process_parse_link(target, "net");
}

uint32_t netns_of(int root, uint32_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "%u/ns/net", pid);
	return netns_read_link(root, path);
}

uint32_t netns_parse_mount(const char *line)
{
	char field[64];
	size_t len;

	for (int i = 0; i < ROOT_FIELD; i++) {
		line = strchr(line, ' ');
		if (!line)
			return 0;
		line++;
	}
	len = strcspn(line, " ");
	if (len >= sizeof(field))
		return 0;
	memcpy(field, line, len);
	field[len] = '\0';
	return (uint32_t)process_parse_link(field, "net");
}
