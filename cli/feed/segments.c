// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/segments.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/moment.h"

#define PREFIX "ring-"
#define SUFFIX ".ndjson.zst"
#define DIGITS 10
#define NUMBERS 10000000000 /* so many have these digits */
#define STAMP (MOMENT_STAMP_SIZE - 1)
#define BLOCK 4096

void segment_set_name(struct segment *s)
{
	char from[MOMENT_STAMP_SIZE], to[MOMENT_STAMP_SIZE];

	s->number %= NUMBERS;
	snprintf(s->name, sizeof(s->name), PREFIX "%0*" PRIu64 "-%s%s%s" SUFFIX, DIGITS, s->number,
		 moment_stamp(s->from_ns, from), s->finished ? "-" : "",
		 s->finished ? moment_stamp(s->to_ns, to) : "");
}

/* Only what segment_set_name() would have given. */
static bool parse_name(const char *name, struct segment *s)
{
	const char *from = name + strlen(PREFIX) + DIGITS + 1, *to = from + STAMP + 1;

	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || strlen(name) < strlen(PREFIX SUFFIX) + DIGITS + 1 + STAMP)
		return false;
	*s = (struct segment){ .number = strtoull(name + strlen(PREFIX), NULL, 10), .finished = from[STAMP] == '-' };
	if (!moment_of_stamp(from, &s->from_ns) || (s->finished && !moment_of_stamp(to, &s->to_ns)))
		return false;
	segment_set_name(s);
	return strcmp(s->name, name) == 0;
}

bool segment_may_hold(const struct segment *s, uint64_t since_ns, uint64_t until_ns)
{
	return !s->finished || (s->from_ns <= until_ns && s->to_ns + NSEC_PER_SEC > since_ns);
}

uint64_t segment_space(uint64_t length)
{
	return (length + BLOCK - 1) / BLOCK * BLOCK;
}

static int compare(const void *a, const void *b)
{
	uint64_t na = ((const struct segment *)a)->number, nb = ((const struct segment *)b)->number;

	return (na > nb) - (na < nb);
}

static int add(int dir, const char *name, struct segments *s)
{
	struct segment found, *grown;
	struct stat st;

	if (!parse_name(name, &found) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return 0;
	found.length = (uint64_t)st.st_size;
	grown = reallocarray(s->all, s->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->all = grown;
	s->all[s->count++] = found;
	return 0;
}

int segments_list(int dir, struct segments *s)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *names = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	*s = (struct segments){ 0 };
	if (!names) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	errno = 0;
	while (!err && (entry = readdir(names))) {
		err = add(dir, entry->d_name, s);
		errno = 0;
	}
	err = err ? err : -errno;
	closedir(names);
	if (s->count)
		qsort(s->all, s->count, sizeof(*s->all), compare);
	return err;
}

void segments_free(struct segments *s)
{
	free(s->all);
	*s = (struct segments){ 0 };
}
