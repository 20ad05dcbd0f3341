// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Several recordings read as one: each is in the order of time, or nearly; the earliest record is next. */
#define _GNU_SOURCE
#include "cli/feed/input_internal.h"
#include "cli/feed/record_scan.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"

/* How long a pipe in which nothing comes holds up the others. */
#define PATIENCE_NS NSEC_PER_SEC
/* Several silent pipes are looked at so often: only one of them is polled. */
#define LOOK_NS (100 * NSEC_PER_MSEC)

static bool is_missing(const struct track *t)
{
	return !t->next.any && !t->drained;
}

/* It holds up the others no more. */
static bool is_silent(const struct track *t, uint64_t now_ns)
{
	return !t->file && t->silent_since && now_ns - t->silent_since >= PATIENCE_NS;
}

struct track *merge_next(struct input *f)
{
	uint64_t now = f->track_count > 1 ? clock_mono_ns() : 0, first_ns = 0;
	struct track *first = NULL;

	for (uint32_t i = 0; i < f->track_count; i++) {
		struct track *t = &f->tracks[i];
		uint64_t time;

		if (is_missing(t)) {
			t->silent_since = t->silent_since ? t->silent_since : now;
			if (f->track_count == 1 || !is_silent(t, now))
				return NULL;
		}
		if (!t->next.any)
			continue;
		time = f->track_count > 1 ? hosts_time(f->hosts, &t->next.record) : 0;
		if (first && time >= first_ns)
			continue;
		first = t;
		first_ns = time;
	}
	return first;
}

const struct track *merge_missing(const struct input *f)
{
	for (uint32_t i = 0; i < f->track_count; i++)
		if (is_missing(&f->tracks[i]))
			return &f->tracks[i];
	return NULL;
}

static bool can_be_read(const struct track *t)
{
	struct pollfd fd = { .fd = t->fd, .events = POLLIN };

	return t->file || poll(&fd, 1, 0) > 0;
}

struct track *merge_readable(struct input *f, bool readable)
{
	for (uint32_t i = 0; i < f->track_count; i++) {
		struct track *t = &f->tracks[i];

		if (!is_missing(t))
			continue;
		if (track_waits(t))
			return t;
		if (!t->read && (f->track_count > 1 ? can_be_read(t) : readable))
			return t;
	}
	return NULL;
}

bool merge_is_drained(const struct input *f)
{
	for (uint32_t i = 0; i < f->track_count; i++)
		if (f->tracks[i].next.any || !f->tracks[i].drained)
			return false;
	return true;
}

uint64_t merge_again_at(const struct input *f)
{
	uint64_t now = clock_mono_ns(), again = UINT64_MAX;

	if (f->track_count < 2)
		return UINT64_MAX;
	for (uint32_t i = 0; i < f->track_count; i++) {
		const struct track *t = &f->tracks[i];

		if (is_missing(t) && !t->file && again > now + LOOK_NS)
			again = now + LOOK_NS;
	}
	return again;
}

/* ---- the clocks, before the first record is given ---- */

/* The first record names its host; clocks are compared by established handshakes. */
static bool is_telling(const char *line, size_t len, bool first)
{
	return first || (memmem(line, len, "\"handshake\"", strlen("\"handshake\"")) &&
			 memmem(line, len, "\"established\"", strlen("\"established\"")));
}

static void learn_line(struct input *f, uint32_t source, const char *line, size_t len, bool first)
{
	struct record r;
	char why[160];

	if (!is_telling(line, len, first) || (!record_scan(line, len, NULL, &r) &&
					      record_parse(line, len, &r, why, sizeof(why)) != RECORD_GOOD))
		return;
	if (hosts_name(f->hosts, &r, source, f->tracks[source].host))
		hosts_learn(f->hosts, &r);
	record_free(&r);
}

/* What is wrong with it is said when it is read for its records. */
static void learn_track(struct input *f, uint32_t source)
{
	struct track *t = &f->tracks[source];
	enum line_kind kind;
	const char *line;
	bool first = true;
	ssize_t got;
	size_t len;

	do {
		while ((kind = lines_next(t->lines, &line, &len)) != LINE_NONE) {
			if (kind == LINE_WHOLE)
				learn_line(f, source, line, len, first);
			first = false;
		}
		got = lines_fill(t->lines);
	} while (got > 0 || got == -EAGAIN);
}

int merge_compare(struct input *f)
{
	if (f->track_count < 2 || !f->state.file)
		return 0;
	for (uint32_t i = 0; i < f->track_count; i++)
		learn_track(f, i);
	f->compared = true;
	input_release(f);
	for (uint32_t i = 0; i < f->track_count; i++)
		if (lseek(f->tracks[i].fd, 0, SEEK_SET) < 0)
			return -errno;
	return input_begin(f);
}
