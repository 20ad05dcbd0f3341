// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/output/rotation.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"

struct rotation {
	const char *path;
	uint64_t max;
	unsigned keep;
	struct rotation_span *span; /* of NAME.1 … */
	struct rotation_report report; /* of the renames until now, if the new file could not be opened */
	bool renamed;
};

struct rotation *rotation_new(const char *path, uint64_t max, unsigned keep)
{
	struct rotation *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct rotation){ .path = path, .max = max, .keep = keep,
				.span = calloc(keep, sizeof(struct rotation_span)) };
	if (r->span)
		return r;
	free(r);
	return NULL;
}

void rotation_free(struct rotation *r)
{
	if (!r)
		return;
	free(r->span);
	free(r);
}

uint64_t rotation_max(const struct rotation *r)
{
	return r->max;
}

void rotation_forget(struct rotation *r)
{
	memset(r->span, 0, r->keep * sizeof(*r->span));
	r->renamed = false;
}

/* NAME, or NAME.1 … */
static const char *name_of(const struct rotation *r, unsigned number, char name[PATH_MAX])
{
	if (number)
		snprintf(name, PATH_MAX, "%s.%u", r->path, number);
	else
		snprintf(name, PATH_MAX, "%s", r->path);
	return name;
}

static void base_name(const struct rotation *r, unsigned number, char *name, size_t size)
{
	char whole[PATH_MAX];
	const char *slash = strrchr(name_of(r, number, whole), '/');

	snprintf(name, size, "%.*s", (int)size - 1, slash ? slash + 1 : whole);
}

/* The first that is free; NAME.N, which is overwritten, if none is. */
static unsigned first_free(const struct rotation *r)
{
	char name[PATH_MAX];
	unsigned number = 1;

	while (number < r->keep && access(name_of(r, number, name), F_OK) == 0)
		number++;
	return number;
}

static int rename_one(struct rotation *r, unsigned from)
{
	char old[PATH_MAX], new[PATH_MAX];

	if (rename(name_of(r, from, old), name_of(r, from + 1, new)) != 0)
		return -errno;
	if (from)
		r->span[from] = r->span[from - 1];
	return 0;
}

/* No further than to the first free number: what was renamed, and did not come to its end, is not renamed again. */
static int rename_all(struct rotation *r, struct rotation_span span)
{
	unsigned last = first_free(r);
	char name[PATH_MAX];
	bool removes = access(name_of(r, last, name), F_OK) == 0;
	struct rotation_span removed = r->span[last - 1];
	int err = 0;

	for (unsigned from = last; from-- && !err;)
		err = rename_one(r, from);
	if (err)
		return err;
	r->report = (struct rotation_report){ .ended_span = span };
	base_name(r, 1, r->report.ended, sizeof(r->report.ended));
	if (removes) {
		base_name(r, last, r->report.removed, sizeof(r->report.removed));
		r->report.removed_span = removed;
	}
	r->span[0] = span;
	return 0;
}

int rotation_next(struct rotation *r, struct rotation_span span, struct rotation_report *report)
{
	int err = r->renamed ? 0 : rename_all(r, span), fd;

	if (err)
		return err;
	r->renamed = true;
	fd = open(r->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW, 0640);
	if (fd < 0)
		return -errno;
	r->renamed = false;
	*report = r->report;
	report->mono_ns = clock_mono_ns();
	report->real_ns = (int64_t)report->mono_ns + clock_real_offset_ns();
	return fd;
}
