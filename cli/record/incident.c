// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/record/incident.h"
#include "cli/record/command.h"
#include "cli/record/incident_files.h"
#include "cli/record/trigger.h"
#include "cli/feed/pack.h"
#include "cli/text/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/moment.h"

#define PAUSE_NS (300 * NSEC_PER_SEC)
/* What an idle feed still brings: its frames are a second long, and come a second later. */
#define GRACE_NS (3 * NSEC_PER_SEC)

/* A frame of the ring that may be wanted. */
struct kept_frame {
	struct ring_place place;
	struct ring_span span;
	char *hello; /* whose it is; NULL: it begins with that */
};

struct incidents {
	struct ring_store *store;
	struct incident_plan plan;
	struct incident_files *files;
	struct kept_frame *frames; /* the oldest first */
	size_t count, room;
	bool wanted, begun; /* there is one to be written; its file is there */
	char word[TRIGGER_WORD_SIZE];
	uint64_t from_ns, until_ns; /* of its records */
	uint64_t give_up_at; /* CLOCK_MONOTONIC */
	uint64_t pause_until_ns; /* of the records' time */
	uint64_t more; /* strikes since the one that it is about */
	uint64_t made, strikes;
	struct command command;
};

struct incidents *incidents_open(struct ring_store *store, const struct incident_plan *plan)
{
	struct incidents *i = calloc(1, sizeof(*i));

	if (i) {
		*i = (struct incidents){ .store = store, .plan = *plan };
		i->files = incident_files_open(store);
	}
	if (i && i->files)
		return i;
	log_error("cannot take over the incidents in %s", ring_store_path(store));
	free(i);
	return NULL;
}

/* ---- frames of the ring ---- */

static void forget_first(struct incidents *i, size_t count)
{
	for (size_t n = 0; n < count; n++)
		free(i->frames[n].hello);
	if (count)
		memmove(i->frames, i->frames + count, (i->count - count) * sizeof(*i->frames));
	i->count -= count;
}

static void remember(struct incidents *i, const struct ring_span *span, const struct buf *hello)
{
	struct kept_frame frame = { .place = ring_store_last(i->store), .span = *span };
	size_t old = 0;

	while (old < i->count && i->frames[old].span.to_ns + i->plan.before_ns + GRACE_NS < span->to_ns)
		old++;
	forget_first(i, old);
	if (!ARRAY_ROOM(i->frames, i->count, i->room))
		return;
	frame.hello = hello->len ? strndup(hello->data, hello->len) : NULL;
	i->frames[i->count++] = frame;
}

/* ---- one file ---- */

static void end(struct incidents *i)
{
	const char *path = i->begun ? incident_files_end(i->files) : NULL;

	char more[40];

	if (path) {
		i->made++;
		log_info("%s is complete; the trigger struck again %s meanwhile", path,
			 text_plural(more, sizeof(more), i->more, "time"));
		if (i->plan.then)
			command_run(&i->command, i->plan.then, path, i->word);
	}
	i->wanted = i->begun = false;
}

static void give_up(struct incidents *i, int err)
{
	log_error("cannot write the incident %s: %s%s", i->word, strerror(-err), i->begun ? "; its file ends early" : "");
	if (i->begun)
		incident_files_end(i->files);
	i->wanted = i->begun = false;
}

static int append_hello(struct incidents *i, const char *hello)
{
	struct buf line = { 0 }, packed = { 0 };
	int err;

	if (!hello)
		return 0;
	buf_str(&line, hello);
	err = line.failed ? -ENOMEM : pack_zstd(&line, &packed);
	if (!err)
		err = incident_files_append(i->files, &packed);
	buf_free(&line);
	buf_free(&packed);
	return err;
}

/* One that the ring has dropped by now is passed over: the gap in `seq` shows it. */
static int copy_frame(struct incidents *i, const struct kept_frame *frame)
{
	struct buf data = { 0 };
	int err = ring_store_read(i->store, &frame->place, &data);

	if (!err)
		err = incident_files_append(i->files, &data);
	buf_free(&data);
	return err == -ENOENT ? 0 : err;
}

static int begin(struct incidents *i)
{
	char stamp[MOMENT_STAMP_SIZE], name[INCIDENT_NAME_SIZE];
	size_t first = 0;
	int err;

	while (first + 1 < i->count && i->frames[first].span.to_ns < i->from_ns)
		first++;
	snprintf(name, sizeof(name), "incident-%s-%s.ndjson.zst", moment_stamp(i->from_ns + i->plan.before_ns, stamp), i->word);
	err = incident_files_begin(i->files, name);
	i->begun = !err;
	if (!err)
		err = append_hello(i, i->frames[first].hello);
	for (size_t n = first; !err && n < i->count; n++)
		err = copy_frame(i, &i->frames[n]);
	return err;
}

void incidents_frame(struct incidents *i, const struct buf *frame, const struct ring_span *span, const struct buf *hello)
{
	int err;

	if (!i->plan.before_ns)
		return;
	remember(i, span, hello);
	if (!i->wanted)
		return;
	err = !i->count ? -ENOMEM : !i->begun ? begin(i) : incident_files_append(i->files, frame);
	if (err)
		give_up(i, err);
	else if (span->to_ns > i->until_ns)
		end(i);
}

void incidents_strike(struct incidents *i, uint64_t wall_ns, uint64_t now_ns, const char *word)
{
	i->strikes++;
	if (i->wanted || (wall_ns < i->pause_until_ns && wall_ns + PAUSE_NS + i->plan.after_ns > i->pause_until_ns)) {
		i->more++;
		return;
	}
	i->wanted = true;
	i->more = 0;
	i->from_ns = wall_ns > i->plan.before_ns ? wall_ns - i->plan.before_ns : 0;
	i->until_ns = wall_ns + i->plan.after_ns;
	i->give_up_at = now_ns + i->plan.after_ns + GRACE_NS;
	i->pause_until_ns = i->until_ns > wall_ns + PAUSE_NS ? i->until_ns : wall_ns + PAUSE_NS;
	snprintf(i->word, sizeof(i->word), "%s", word);
	log_warning("the trigger struck: %s", word);
}

/* What no frame follows is in the ring all the same. */
static void finish(struct incidents *i)
{
	int err = !i->wanted || i->begun ? 0 : i->count ? begin(i) : -ENODATA;

	if (err)
		give_up(i, err);
	else
		end(i);
}

uint64_t incidents_pass(struct incidents *i, uint64_t now_ns)
{
	command_check(&i->command);
	if (i->wanted && now_ns >= i->give_up_at)
		finish(i);
	return i->wanted ? i->give_up_at : UINT64_MAX;
}

void incidents_close(struct incidents *i, uint64_t *files, uint64_t *strikes)
{
	if (!i)
		return;
	finish(i);
	*files = i->made;
	*strikes = i->strikes;
	incident_files_close(i->files);
	forget_first(i, i->count);
	free(i->frames);
	free(i);
}
