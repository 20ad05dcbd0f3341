// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/text/progress.h"
#include "cli/text/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define AFTER_NS NSEC_PER_SEC
#define AGAIN_NS (NSEC_PER_SEC / 5)
#define COLUMNS 80
#define NAME_MAX_BYTES 160

struct progress progress_begin(void)
{
	const char *term = getenv("TERM");

	return (struct progress){
		.on = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0,
		.due = clock_mono_ns() + AFTER_NS,
	};
}

static size_t columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : COLUMNS;
}

/* A line that was wrapped could not be drawn in its place again. */
static void put(const char *text)
{
	size_t room = columns() - 1, len = strlen(text);

	fprintf(stderr, "\r%.*s\033[K", (int)(len < room ? len : room), text);
	fflush(stderr);
}

void progress_show(struct progress *p, const char *doing, const char *name, uint64_t share, uint64_t records)
{
	char text[NAME_MAX_BYTES + 200], count[40], percent[32] = "";
	struct buf safe = { 0 };

	if (!p->on || clock_mono_ns() < p->due)
		return;
	p->due = clock_mono_ns() + AGAIN_NS;
	if (share != SHARE_UNKNOWN)
		snprintf(percent, sizeof(percent), "%llu %%, ", (unsigned long long)share);
	snprintf(text, sizeof(text), "%.*s", NAME_MAX_BYTES, name);
	text_append(&safe, text, false);
	snprintf(text, sizeof(text), "%s %s: %s%s so far; Ctrl-C ends it", doing, safe.failed ? "?" : buf_text(&safe), percent,
		 text_plural(count, sizeof(count), records, "record"));
	buf_free(&safe);
	put(text);
	p->shown = true;
}

void progress_clear(struct progress *p)
{
	if (!p->shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	p->shown = false;
}

void progress_interrupted(const char *name, uint64_t line, uint64_t share)
{
	char percent[40] = "";

	if (share != SHARE_UNKNOWN)
		snprintf(percent, sizeof(percent), ", %llu %% of it", (unsigned long long)share);
	log_warning("%s was read up to line %llu%s: what follows is not in what is shown", name, (unsigned long long)line, percent);
}
