/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is shown of a statement: the calls, what the kernel holds then, and the records that came. In three columns
 * where the terminal is wide enough, plain lines elsewhere, or one JSON object.
 */
#ifndef TCPSHAKE_LAB_REPORT_H
#define TCPSHAKE_LAB_REPORT_H

#include "cli/lab/call.h"
#include "cli/lab/watch.h"
#include "cli/text/line.h"

enum lab_column { LAB_COLUMN_CALL, LAB_COLUMN_KERNEL, LAB_COLUMN_RECORDS, LAB_COLUMNS };

struct lab_report {
	const struct style *style;
	bool json;
	const char *scenario;
	const struct lab_statement *statement;
	struct buf columns[LAB_COLUMNS]; /* lines, each with its newline */
	struct buf calls, sockets, counters, records; /* JSON: the items of arrays, with commas between */
	struct buf expect; /* JSON, or empty */
	struct buf failure; /* why the statement could not be carried out; or empty */
	enum paint verdict;
	uint64_t waited_ns; /* of `wait`; else NS_UNKNOWN */
};

void lab_report_begin(struct lab_report *r, const struct lab_statement *s);
/* A call has ended, or still runs. */
void lab_report_call(struct lab_report *r, const struct lab_call *call, const struct lab_socket *on,
		     const struct lab_socket *target);
void lab_report_socket(struct lab_report *r, const struct lab_socket *s);
void lab_report_counter(struct lab_report *r, enum lab_place place, const char *name, uint64_t moved);
void lab_report_record(struct lab_report *r, const struct lab_record *record);
/* Whether what was expected held, and what was there. */
void lab_report_expect(struct lab_report *r, bool held, const char *found, uint64_t waited_ns);
/* How long a `wait` took. One that ends half a second late is reported: kernel timers may have expired meanwhile. */
void lab_report_wait(struct lab_report *r, uint64_t asked_ns, uint64_t took_ns);
void lab_report_failure(struct lab_report *r, const char *why);
/* Append all of it. */
void lab_report_end(struct lab_report *r, struct buf *out);
void lab_report_free(struct lab_report *r);

/* What is known of a socket, in a few words: "s LISTEN, accept queue 3/2". */
void lab_report_view(const struct lab_socket *s, struct buf *b);
/* How its last call ended: "ok", "ECONNREFUSED", "BLOCKED"; "none" if there was no call. */
const char *lab_report_outcome(const struct lab_socket *s, char *out, size_t size);
/* A record in a few words. */
void lab_report_words(const struct lab_record *record, struct buf *b);

#endif
