// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/record/incident_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

#define PATTERN "incident-[0-9]*T[0-9]*Z-*.ndjson.zst"

struct incident_file {
	char name[INCIDENT_NAME_SIZE]; /* in their order: it begins with the time */
	uint64_t length;
};

struct incident_files {
	struct ring_store *store;
	struct incident_file *all; /* the oldest first; the one that is written is the last */
	size_t count;
	uint64_t space;
	int fd; /* or -1 */
	char *path;
};

static int add(struct incident_files *f, const char *name, uint64_t length)
{
	struct incident_file *grown = reallocarray(f->all, f->count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	f->all = grown;
	snprintf(f->all[f->count].name, INCIDENT_NAME_SIZE, "%s", name);
	f->all[f->count++].length = length;
	f->space += segment_space(length);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct incident_file *)a)->name, ((const struct incident_file *)b)->name);
}

static int find(struct incident_files *f)
{
	int dir = openat(ring_store_dir(f->store), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *names = dir < 0 ? NULL : fdopendir(dir);
	struct dirent *entry;
	struct stat st;

	if (!names) {
		err = -errno;
		if (dir >= 0)
			close(dir);
		return err;
	}
	while (!err && (entry = readdir(names)))
		if (strlen(entry->d_name) < INCIDENT_NAME_SIZE && fnmatch(PATTERN, entry->d_name, 0) == 0 &&
		    fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			err = add(f, entry->d_name, (uint64_t)st.st_size);
	closedir(names);
	if (f->count)
		qsort(f->all, f->count, sizeof(*f->all), compare);
	return err;
}

static int remove_oldest(struct incident_files *f)
{
	struct incident_file *oldest = &f->all[0];

	if (unlinkat(ring_store_dir(f->store), oldest->name, 0) < 0 && errno != ENOENT)
		return -errno;
	log_info("%s/%s was removed to make room for another incident", ring_store_path(f->store), oldest->name);
	f->space -= segment_space(oldest->length);
	ring_store_give(f->store, segment_space(oldest->length));
	memmove(f->all, f->all + 1, --f->count * sizeof(*f->all));
	return 0;
}

/* The one that is written stays. */
static int make_room(struct incident_files *f, uint64_t more)
{
	uint64_t most = ring_store_keep(f->store) / 2;
	int err = 0;

	while (!err && f->space + more > most && f->count > (f->fd >= 0))
		err = remove_oldest(f);
	return err ? err : f->space + more > most ? -EFBIG : 0;
}

struct incident_files *incident_files_open(struct ring_store *store)
{
	struct incident_files *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return NULL;
	f->store = store;
	f->fd = -1;
	err = find(f);
	/* They are there, whatever the ring may hold: of a smaller one than before the oldest go. */
	ring_store_count(store, f->space);
	if (!err)
		err = make_room(f, 0);
	if (!err)
		err = ring_store_take(store, 0);
	if (!err)
		return f;
	incident_files_close(f);
	return NULL;
}

void incident_files_close(struct incident_files *f)
{
	if (f->fd >= 0)
		close(f->fd);
	free(f->all);
	free(f->path);
	free(f);
}

int incident_files_begin(struct incident_files *f, const char *name)
{
	char *path;
	int fd;

	if (asprintf(&path, "%s/%s", ring_store_path(f->store), name) < 0)
		return -ENOMEM;
	free(f->path);
	f->path = path;
	fd = openat(ring_store_dir(f->store), name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	if (add(f, name, 0) < 0) {
		close(fd);
		return -ENOMEM;
	}
	f->fd = fd;
	return 0;
}

int incident_files_append(struct incident_files *f, const struct buf *frame)
{
	uint64_t length = f->all[f->count - 1].length, more = segment_space(length + frame->len) - segment_space(length);
	int err = make_room(f, more);

	if (!err)
		err = ring_store_take(f->store, more);
	if (err)
		return err;
	err = ring_append(f->fd, frame, length);
	if (err) {
		ring_store_give(f->store, more);
		return err;
	}
	f->all[f->count - 1].length += frame->len;
	f->space += more;
	return 0;
}

const char *incident_files_end(struct incident_files *f)
{
	close(f->fd);
	f->fd = -1;
	return f->path;
}
