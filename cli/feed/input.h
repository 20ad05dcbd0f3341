/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one way to read a feed: a recording, the daemon's socket or a private daemon. All three are a
 * descriptor with lines; they differ in how they end. Who reads has a loop of its own: reader.h for views
 * that read a feed to its end, live.h for those that ask again and again, follow.h for a screen.
 */
#ifndef TCPSHAKE_INPUT_H
#define TCPSHAKE_INPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/feed/hosts.h"
#include "cli/feed/parsed_record.h"
#include "cli/feed/replay.h"
#include "cli/options.h"
#include "cli/text/signals.h"

struct input;

/* Why a daemon refused what it was asked, made safe, in one line. */
const char *input_refusal(const struct record_end *end, char *out, size_t size);

/* What came, and what did not come as it should have. */
struct input_report {
	uint64_t lines;
	uint64_t bad; /* no records */
	uint64_t foreign; /* of a format version that this program does not know */
	uint64_t oversized;
	uint64_t missing; /* gaps in `seq` */
	uint64_t damaged; /* segments of a ring that could not be read to their end */
	uint64_t gaps, gap_ns; /* before a hello: no record of its host; so long in all */
	bool interrupted; /* somebody ended the reading of a recording before its end … */
	uint64_t share; /* … of which so much was read, as input_share() */
	uint64_t whole; /* the number of the last line that was */
	bool cut; /* the last line, or the compressed data, was unfinished */
	bool ended; /* a live feed that had begun ended by itself: by the daemon's end, or its death */
	bool absent; /* nobody served at the socket, or ended before a hello; nothing was refused */
	bool private; /* that was a daemon of our own */
	uint32_t host_count; /* whose records they are; one if nothing says that there are more */
	struct host_report hosts[CLOCK_HOSTS]; /* the first of them, if there are several; of input_report_hosts() */
};

enum input_trouble {
	INPUT_BAD, /* a line is skipped: `why` */
	INPUT_OVERSIZED, /* a line is skipped: it is too long */
	INPUT_CUT_LINE, /* the last one */
	INPUT_CUT_DATA, /* what is compressed */
	INPUT_DAMAGED, /* what is compressed; it ends here */
	INPUT_DAMAGED_SEGMENT, /* of a ring: which one and `why`; the next one follows */
};

struct input_ops {
	/* A record whose time has come, and its line without newline. */
	void (*record)(void *ctx, const struct record *r, const char *line, size_t len);
	/* Something is wrong at a line, which the report counts. */
	void (*trouble)(void *ctx, enum input_trouble what, uint64_t line, const char *why);
};

/* What it is, and how far it has come. */
struct input_state {
	char name[160]; /* for messages: "the daemon at PATH" */
	bool live; /* records come as they happen */
	bool private; /* from a daemon that we started */
	bool file; /* a recording in which one can go back */
	bool hello, bye; /* there was a hello; the daemon said `bye` */
	bool over; /* it ended, or cannot be read any more */
	bool failed; /* that is an error, and was said on stderr or as a trouble */
};

/*
 * With `signals` (or NULL) it is a daemon that says nothing unless it is asked. NULL after one line on
 * stderr: the program is then to exit with STATUS_FAILED; also, silently, if `signals->stops`. Of a daemon that
 * was not reached, errno says why. `ops` must outlive it.
 */
struct input *input_open(const struct options *o, struct signals *signals,
			 const struct input_ops *ops, void *ctx);

const struct input_state *input_state(const struct input *f);
const struct input_report *input_report(const struct input *f);
/* The same, with the hosts as they are known now. */
void input_report_hosts(struct input *f, struct input_report *report);
/* The daemon's process behind a socket, as far as the kernel reports it; else 0. */
pid_t input_daemon(const struct input *f);

/* ---- reading ---- */

/* To be polled for input; -1 if nothing is to be read now. */
int input_fd(const struct input *f);
/* When input_run() has something to do even without input: CLOCK_MONOTONIC, or UINT64_MAX. */
uint64_t input_due_at(struct input *f);
/* Give what is there and due, for some milliseconds at most. True if records came. */
bool input_run(struct input *f, bool readable);
/* Give no more. */
void input_finish(struct input *f);
/* The clock of a recording. */
/* How much of the recordings was read, in percent; SHARE_UNKNOWN (cli/text/progress.h) if one is no file, or all are empty. */
uint64_t input_share(const struct input *f);
struct replay *input_replay(struct input *f);
/* Back to the beginning of a file. False if that cannot be. */
bool input_rewind(struct input *f);

/* ---- the daemon behind it ---- */

/* Ask a daemon at a socket for the records of an `op`. 0, also where there is none, or a negative errno. */
int input_ask(struct input *f, const char *op);
/*
 * Ask for the end. What was seen before may still come, up to the end of the stream or `*patience_ms`;
 * false if there is nothing to wait for.
 */
bool input_stop(struct input *f, int *patience_ms);
/* Ask a daemon of our own for its end, and wait for it: nobody needs what it still has to say. */
void input_drain(struct input *f);
/* Do not wait for an orderly end. False if that hurts nobody: there is no daemon of our own. */
bool input_kill(struct input *f);
/* The daemon that is asked has ended by itself: one line on stderr, unless it has said why. */
void input_report_end(struct input *f);
/*
 * Release it. `orderly`: it was us who ended it, or it said `bye`; else the end of a live feed is an
 * error, and one line says so. The program's exit status.
 */
enum exit_status input_close(struct input *f, bool orderly);

#endif
