/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the records come from: a recording, the daemon's socket or a private daemon. All three
 * are a descriptor with lines; they differ in how they end.
 */
#ifndef TCPSHAKE_INPUT_H
#define TCPSHAKE_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/options.h"
#include "cli/feed/unpack.h"

struct input;
struct lines;

/* NULL after one line on stderr: the program is then to exit with STATUS_FAILED. */
struct input *input_open(const struct options *o);

int input_fd(const struct input *f);
/*
 * What is to be read there as lines, unpacked if it is a recording: then `*unpack`, else NULL. Both
 * are the caller's. NULL if memory is out.
 */
struct lines *input_lines(const struct input *f, struct unpack **unpack);
/* Records come as they happen; a recording is read as fast as it goes. */
bool input_is_live(const struct input *f);
/* It comes from a daemon that we started. */
bool input_is_private(const struct input *f);
/* The records were not filtered at their source. */
bool input_needs_filter(const struct input *f);
/*
 * Ask a daemon at a socket for the records of an `op`, among the others. A feed of our own daemon
 * begins with all listeners; that of one that runs already does not tell of idle ones. 0, also
 * where there is nobody to be asked, or a negative errno.
 */
int input_ask(struct input *f, const char *op);
/* For messages: "the daemon at PATH". */
const char *input_name(const struct input *f);

/*
 * Ask for the end. What was seen before may still come, up to the end of the stream or
 * `*patience_ms`; false if there is nothing to wait for.
 */
bool input_stop(struct input *f, int *patience_ms);
/* Do not wait for an orderly end. False if that hurts nobody: there is no daemon of our own. */
bool input_kill(struct input *f);

/*
 * Release it. `orderly`: it said `bye`, or it was us who ended it; else the end of a live feed
 * is an error, and one line says so. The program's exit status.
 */
enum exit_status input_close(struct input *f, bool orderly);

#endif
