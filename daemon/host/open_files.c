// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/host/open_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/host/process.h"

#define LIMITS_TEXT 2048

bool open_files_parse_limit(const char *limits, uint32_t *limit)
{
	static const char name[] = "Max open files";
	const char *line = strstr(limits, name);
	unsigned long long value;
	char *end;

	if (!line)
		return false;
	line += strlen(name);
	line += strspn(line, " ");
	if (strncmp(line, "unlimited", strlen("unlimited")) == 0) {
		*limit = UINT32_MAX;
		return true;
	}
	value = strtoull(line, &end, 10);
	if (end == line)
		return false;
	*limit = value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
	return true;
}

static int count(int process, uint32_t *used)
{
	int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;
	struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	*used = 0;
	while (*used <= OPEN_FILES_COUNTED && (errno = 0, entry = readdir(dir)))
		*used += entry->d_name[0] != '.';
	err = *used > OPEN_FILES_COUNTED ? -EFBIG : -errno;
	closedir(dir);
	return err;
}

/*
 * From 6.2 on the size of the directory is their number (commit f1f1f2569901, proc: report open files as size in stat()
 * for /proc/pid/fd). It has one too many while accept() waits, which takes its descriptor first: that there is none left
 * is believed of a count only, if that is not too long.
 */
static int count_cheaply(int process, uint32_t limit, uint32_t *used)
{
	struct stat st;
	int err = fstatat(process, "fd", &st, 0) ? -errno : 0;

	if (err)
		return err;
	*used = st.st_size < UINT32_MAX ? (uint32_t)st.st_size : UINT32_MAX;
	return st.st_size && (*used < limit || *used > OPEN_FILES_COUNTED) ? 0 : count(process, used);
}

int open_files_read(const char *root, uint32_t pid, struct open_files *files)
{
	char path[64], text[LIMITS_TEXT];
	int process, err;

	snprintf(path, sizeof(path), "%s/%u", root, pid);
	process = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (process < 0)
		return -errno;
	err = process_read_text(process, "limits", text, sizeof(text));
	if (!err && !open_files_parse_limit(text, &files->limit))
		err = -EPROTO;
	if (!err)
		err = count_cheaply(process, files->limit, &files->used);
	close(process);
	return err;
}
