/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The types of records: one list for the daemon, the CLI, --events, completion and the schemas'
 * check. A new type is a new row.
 */
#ifndef TCPSHAKE_RECORD_TYPE_H
#define TCPSHAKE_RECORD_TYPE_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define RECORD_VERSION 1 /* of the format: "v" */

/* When a reader gets records of a type. */
enum record_choice {
	RECORD_FIXED, /* --events does not choose: of every feed, an answer, or a report of the CLI */
	RECORD_STREAMED, /* unless --events leaves it out */
	RECORD_OPTIONAL, /* only if --events names it */
};

/* Constant, name, choice; in the order in which records list the types. */
#define RECORD_TYPE_ROWS(row)                    \
	row(OTHER, "", FIXED) /* a newer daemon's */ \
	row(HELLO, "hello", FIXED)                   \
	row(HANDSHAKE, "handshake", STREAMED)        \
	row(LISTENER, "listener", STREAMED)          \
	row(OVERFLOW, "overflow", STREAMED)          \
	row(AUDIT, "audit", STREAMED)                \
	row(ACCEPT, "accept", OPTIONAL)              \
	row(RESET, "reset", STREAMED)                \
	row(RETRANSMIT, "retransmit", OPTIONAL)      \
	row(DROP, "drop", STREAMED)                  \
	row(CLOSE, "close", OPTIONAL)                \
	row(LOSS, "loss", FIXED)                     \
	row(BYE, "bye", FIXED)                       \
	row(STATS, "stats", FIXED)                   \
	row(PROBE, "probe", FIXED)                   \
	row(END, "end", FIXED)                       \
	row(EXPLAIN, "explain", FIXED)               \
	row(EXPLAIN_SUMMARY, "explain_summary", FIXED) \
	row(DOCTOR, "doctor", FIXED)                   \
	row(ROTATION, "rotation", FIXED)               \
	row(STATES, "states", FIXED)                   \
	row(STATES_SUMMARY, "states_summary", FIXED)

#define RECORD_TYPE_CONSTANT(type, name, choice) RECORD_##type,
enum record_type { RECORD_TYPE_ROWS(RECORD_TYPE_CONSTANT) RECORD_TYPES };

_Static_assert(RECORD_TYPES <= 32, "masks of types have 32 bits");

#define RECORD_TYPE_STREAMED(type, name, choice) \
	| (uint32_t)(RECORD_##choice != RECORD_FIXED) << RECORD_##type
#define RECORD_TYPE_OPTIONAL(type, name, choice) \
	| (uint32_t)(RECORD_##choice == RECORD_OPTIONAL) << RECORD_##type

/* Masks of 1 << type: those that --events chooses from, and of these the optional ones. */
#define STREAM_RECORDS (0U RECORD_TYPE_ROWS(RECORD_TYPE_STREAMED))
#define OPTIONAL_RECORDS (0U RECORD_TYPE_ROWS(RECORD_TYPE_OPTIONAL))

extern const char *const record_type_names[RECORD_TYPES];
/* NULL for all but STREAM_RECORDS. */
extern const char *const record_stream_names[RECORD_TYPES];

/* The type that the `len` bytes at `name` name; RECORD_OTHER if none. */
enum record_type record_type_of(const char *name, size_t len);

/* Begin a record: its version and its type. */
void record_type_open(struct buf *b, enum record_type type);

/*
 * "TITLE: handshake, …, and if asked for …": what --help says of --events, in lines as wide as
 * those around it.
 */
const char *record_types_help(char *text, size_t size, const char *title);

#endif
