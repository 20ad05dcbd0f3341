/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Messages to stderr, one line each: "PROGRAM: message". When stderr is not a terminal and the
 * service manager says it reads it ($JOURNAL_STREAM), lines carry sd-daemon(3) priorities. What could steer a
 * terminal or begin another line, in a name that somebody else chose, is escaped (buf_safe()).
 */
#ifndef TCPSHAKE_LOG_H
#define TCPSHAKE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* `program` prefixes every line; messages above `level` are not written. */
void log_init(const char *program, enum log_level level);
bool log_wants(enum log_level level);
void log_at(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * For what may happen often: is it a minute since the last such line, or was there none (`last_ns` is 0)? Then one is
 * due, and `last_ns` is `now_ns`.
 */
bool log_is_due(uint64_t *last_ns, uint64_t now_ns);

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
