// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/host/owners.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/keyset.h"

#define NOBODY UINT32_MAX
#define TEXT 4096

struct owners {
	struct keyset wanted; /* inode numbers */
	struct buf held; /* by their number in `wanted`: uint32_t, the index in `found`, or NOBODY */
	struct buf found; /* of struct file_owner */
	size_t hidden;
	int root; /* /proc */
};

struct owners *owners_new(void)
{
	struct owners *o = calloc(1, sizeof(*o));

	if (o)
		o->wanted.key_size = sizeof(uint32_t);
	return o;
}

void owners_free(struct owners *o)
{
	if (!o)
		return;
	keyset_free(&o->wanted);
	buf_free(&o->held);
	buf_free(&o->found);
	free(o);
}

int owners_want(struct owners *o, uint32_t inode)
{
	static const uint32_t nobody = NOBODY;
	bool added = false;

	/* Nothing is ever removed: the numbers are given in turn. */
	if (keyset_put(&o->wanted, &inode, &added) == KEYSET_NONE)
		return -ENOMEM;
	if (added)
		buf_mem(&o->held, &nobody, sizeof(nobody));
	return o->held.failed ? -ENOMEM : 0;
}

static uint32_t *holder_at(const struct owners *o, size_t number)
{
	return (uint32_t *)(void *)o->held.data + number;
}

static struct file_owner *owner_at(const struct owners *o, uint32_t index)
{
	return (struct file_owner *)(void *)o->found.data + index;
}

uint64_t owners_parse_limit(const char *text)
{
	static const char title[] = "Max open files";
	const char *line = strstr(text, title);
	char *end;
	uint64_t limit;

	if (!line)
		return FILES_UNKNOWN;
	limit = strtoull(line + sizeof(title) - 1, &end, 10);
	return end == line + sizeof(title) - 1 ? FILES_UNKNOWN : limit;
}

static void describe(struct file_owner *owner, int root)
{
	char name[32], text[TEXT];

	snprintf(name, sizeof(name), "%u/stat", owner->pid);
	if (process_read_text(root, name, text, sizeof(text)) == 0)
		process_parse_stat(text, &owner->state);
	snprintf(name, sizeof(name), "%u/limits", owner->pid);
	if (process_read_text(root, name, text, sizeof(text)) == 0)
		owner->files_limit = owners_parse_limit(text);
}

/* Is the first to be named rather than the second? */
static bool goes_before(const struct file_owner *a, const struct file_owner *b)
{
	if ((a->pid == 1) != (b->pid == 1))
		return b->pid == 1;
	return a->state.start != b->state.start ? a->state.start < b->state.start : a->pid < b->pid;
}

/* The process holds it; `index` is its own in `found`, NOBODY as long as it has none. */
static void take_socket(struct owners *o, uint32_t pid, uint32_t *index, size_t number)
{
	uint32_t *holder = holder_at(o, number);

	if (*index == NOBODY) {
		struct file_owner owner = { .pid = pid, .files = FILES_UNKNOWN, .files_limit = FILES_UNKNOWN };

		describe(&owner, o->root);
		buf_mem(&o->found, &owner, sizeof(owner));
		if (o->found.failed)
			return;
		*index = (uint32_t)(o->found.len / sizeof(owner)) - 1;
	}
	if (*holder == NOBODY || goes_before(owner_at(o, *index), owner_at(o, *holder)))
		*holder = *index;
}

static int read_files(struct owners *o, uint32_t pid, DIR *files)
{
	uint32_t index = NOBODY;
	uint64_t count = 0;
	struct dirent *entry;

	while ((errno = 0, entry = readdir(files))) {
		char target[64];
		ssize_t len;
		uint32_t inode;
		size_t number;

		if (entry->d_name[0] == '.')
			continue;
		count++;
		len = readlinkat(dirfd(files), entry->d_name, target, sizeof(target) - 1);
		target[len < 0 ? 0 : len] = '\0';
		inode = (uint32_t)process_parse_link(target, "socket");
		number = inode ? keyset_find(&o->wanted, &inode) : KEYSET_NONE;
		if (number != KEYSET_NONE)
			take_socket(o, pid, &index, number);
	}
	if (index != NOBODY && !errno)
		owner_at(o, index)->files = count;
	return o->found.failed ? -ENOMEM : 0;
}

static int read_process(void *ctx, uint32_t pid)
{
	struct owners *o = ctx;
	char name[32];
	DIR *files;
	int fd, err;

	snprintf(name, sizeof(name), "%u/fd", pid);
	fd = openat(o->root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	files = fd >= 0 ? fdopendir(fd) : NULL;
	if (!files) {
		err = -errno;
		o->hidden += err == -EACCES || err == -EPERM;
		if (fd >= 0)
			close(fd);
		return err == -EMFILE || err == -ENFILE || err == -ENOMEM ? err : 0;
	}
	err = read_files(o, pid, files);
	closedir(files);
	return err;
}

int owners_scan(struct owners *o)
{
	DIR *proc;
	int err;

	if (!o->wanted.count)
		return 0;
	proc = opendir("/proc");
	if (!proc)
		return -errno;
	o->root = dirfd(proc);
	err = process_each(proc, read_process, o);
	closedir(proc);
	return err;
}

const struct file_owner *owners_of(const struct owners *o, uint32_t inode)
{
	size_t number = inode ? keyset_find(&o->wanted, &inode) : KEYSET_NONE;

	if (number == KEYSET_NONE || *holder_at(o, number) == NOBODY)
		return NULL;
	return owner_at(o, *holder_at(o, number));
}

size_t owners_hidden(const struct owners *o)
{
	return o->hidden;
}
