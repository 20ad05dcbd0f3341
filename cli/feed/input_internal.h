/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A feed, for the two halves of it: how it is opened and closed (open.c), and how it is read (input.c). */
#ifndef TCPSHAKE_FEED_INTERNAL_H
#define TCPSHAKE_FEED_INTERNAL_H

#include "cli/feed/hosts.h"
#include "cli/feed/input.h"
#include "cli/feed/segment_reader.h"
#include "cli/feed/unpack.h"

#include "common/lines.h"

enum input_kind {
	INPUT_RECORDING,
	INPUT_SOCKET,
	INPUT_PRIVATE, /* a daemon of our own: its standard output */
	INPUT_SERVED, /* a daemon of our own, at a socket that only we know */
};

/* A record that was read and not yet given. */
struct input_next {
	bool any;
	struct record record;
	const char *line; /* in `lines`, which are not filled meanwhile */
	size_t len;
};

/* A descriptor with lines: the only one of a live feed, or one of several recordings that are read as one. */
struct track {
	char name[160]; /* for messages */
	char host[HOST_NAME_SIZE]; /* what a host is called that its records do not name: the end of the path */
	int fd;
	bool file; /* one can go back in it, and it never has to be waited for */
	bool ring; /* a directory of segments */
	struct unpack *unpack; /* of a recording that is one file */
	struct segment_reader *segments; /* of a ring */
	struct lines *lines;
	struct input_next next;
	struct input_next after; /* comes after `next`, if that is a hello that was held back */
	struct buf context; /* the line of the last hello before --since: it says what the records mean */
	struct buf hello; /* `ts` of the last hello */
	bool drained; /* nothing more is to be read */
	bool read; /* in this turn */
	uint64_t whole; /* the number of its last line that was */
	uint64_t silent_since; /* CLOCK_MONOTONIC: others wait for its next record; 0: they do not */
};

struct input {
	const struct input_ops *ops;
	void *ctx;
	struct input_state state;
	struct input_report report;

	enum input_kind kind;
	struct track tracks[FROM_MAX];
	uint32_t track_count;
	struct hosts *hosts;
	bool compared; /* the clocks were before the first record was given */

	pid_t pid; /* of a daemon of our own, or 0 */
	int output; /* INPUT_SERVED: the daemon's, where only its end comes; else -1 */
	bool killed;

	const uint32_t *parts; /* of a live feed: what is needed of each type; NULL: all (record_scan.h) */
	uint64_t since_ns, until_ns; /* records of other times are left out */
	struct replay replay;
	bool busy; /* there is more to be given than there was time for */
};

/* What reads its descriptors, from the beginning. 0, or -ENOMEM. */
int input_begin(struct input *f);
void input_release(struct input *f);

/* There is more to be had without reading the descriptor. */
static inline bool track_waits(const struct track *t)
{
	return t->segments ? segment_reader_waits(t->segments) : t->unpack && unpack_waits(t->unpack);
}

/* ---- merge.c: several recordings read as one ---- */

/* Before anything is given: compare the clocks of the hosts, if all are files. 0, or -ENOMEM. */
int merge_compare(struct input *f);
/*
 * The track whose record is next: the earliest, by the clock of the first host. NULL if one must be read first. One
 * in which nothing comes for a while holds nothing up: what comes there later is late.
 */
struct track *merge_next(struct input *f);
/* The first track that is to be read before its next record is known; NULL: there is none. */
const struct track *merge_missing(const struct input *f);
/* The same, but one that can be read at once and was not in this turn; `readable`: the only one can. */
struct track *merge_readable(struct input *f, bool readable);
/* Nothing is left in any. */
bool merge_is_drained(const struct input *f);
/* When it is worth looking again, though nothing is readable; CLOCK_MONOTONIC, or UINT64_MAX. */
uint64_t merge_again_at(const struct input *f);

#endif
