// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/host/sysctl.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

static uint64_t inode_of(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? st.st_ino : 0;
}

void sysctls_open(struct sysctls *s)
{
	s->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	s->netns = inode_of(s->home);
}

void sysctls_close(struct sysctls *s)
{
	if (s->home >= 0)
		close(s->home);
	s->home = -1;
}

/* The first line of a file, white space as single spaces; false if there is none. */
static bool read_line(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "re");
	char line[1024] = "";
	size_t used = 0;

	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	for (char *rest = line, *word; (word = strsep(&rest, " \t\n"));) {
		int len;

		if (!*word)
			continue;
		len = snprintf(out + used, size - used, "%s%s", used ? " " : "", word);
		if (len < 0 || (size_t)len >= size - used)
			return false;
		used += (size_t)len;
	}
	return used > 0;
}

bool sysctl_read_here(const char *name, char *out, size_t size)
{
	char path[128];
	int len = snprintf(path, sizeof(path), "/proc/sys/%s", name);

	if (len < 0 || (size_t)len >= sizeof(path))
		return false;
	for (char *p = path + strlen("/proc/sys/"); *p; p++)
		if (*p == '.')
			*p = '/';
	return read_line(path, out, size);
}

bool sysctls_read(struct sysctls *s, const char *name, uint64_t netns, uint64_t pid, char *out,
		  size_t size)
{
	char path[64];
	bool found = false;
	int fd;

	if (!netns || !s->netns)
		return false;
	if (netns == s->netns)
		return sysctl_read_here(name, out, size);
	if (!pid)
		return false;
	snprintf(path, sizeof(path), "/proc/%llu/ns/net", (unsigned long long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* The number may be another process's by now: the namespace says. */
	if (inode_of(fd) == netns && setns(fd, CLONE_NEWNET) == 0) {
		found = sysctl_read_here(name, out, size);
		if (setns(s->home, CLONE_NEWNET) < 0)
			s->netns = 0; /* lost: say nothing more */
	}
	if (fd >= 0)
		close(fd);
	return found;
}

bool sysctls_are_of(const char *host, const char *boot_id)
{
	char ours[64];
	struct utsname name;

	if (*boot_id && read_line("/proc/sys/kernel/random/boot_id", ours, sizeof(ours)))
		return strcmp(ours, boot_id) == 0;
	return *host && uname(&name) == 0 && strcmp(name.nodename, host) == 0;
}
