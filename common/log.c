// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"

#define LOG_EVERY_NS (60 * NSEC_PER_SEC)

static const char *log_program = "tcpshake";
static enum log_level log_max = LOG_LEVEL_WARNING;
static bool log_priorities;

void log_init(const char *program, enum log_level level)
{
	log_program = program;
	log_max = level;
	log_priorities = !isatty(STDERR_FILENO) && getenv("JOURNAL_STREAM");
}

bool log_wants(enum log_level level)
{
	return level <= log_max;
}

void log_at(enum log_level level, const char *format, ...)
{
	static const char *const priorities[] = { "<3>", "<4>", "<6>", "<7>" };
	struct buf safe = {};
	char line[1024];
	va_list args;

	if (!log_wants(level))
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	buf_safe(&safe, line, strlen(line));
	buf_mem(&safe, "", 1);
	fprintf(stderr, "%s%s: %s\n", log_priorities ? priorities[level] : "", log_program,
		safe.failed ? "out of memory" : safe.data);
	buf_free(&safe);
}

bool log_is_due(uint64_t *last_ns, uint64_t now_ns)
{
	if (*last_ns && now_ns - *last_ns < LOG_EVERY_NS)
		return false;
	*last_ns = now_ns;
	return true;
}
