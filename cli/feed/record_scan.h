/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records of the types that come by the hundred thousand, read without a tree: each value goes from the line to its
 * place in struct record. What is not as the daemon writes it is left to record_parse(). Pure.
 */
#ifndef TCPSHAKE_RECORD_SCAN_H
#define TCPSHAKE_RECORD_SCAN_H

#include "cli/feed/parsed_record.h"

/* What somebody needs of a record; the rest of the line is then not looked at. */
enum record_part {
	PART_HEAD = 1 << 0, /* type, seq, times, host, feed */
	PART_ROLE = 1 << 1,
	PART_OUTCOME = 1 << 2,
	PART_NETNS = 1 << 3,
	PART_LOCAL = 1 << 4,
	PART_REMOTE = 1 << 5,
	PART_LATENCY = 1 << 6,
	PART_CAUSE = 1 << 7,
	PART_CGROUP = 1 << 8,
	PART_REST = 1 << 9,
	PART_ALL = (1 << 10) - 1,
};

/*
 * `parts`: by type, what is needed of one (enum record_part, with PART_HEAD). NULL: all of each.
 * If it is true, `r` is what record_parse() makes of the line, but for `json`, which is NULL, and for parts that were not
 * asked for; it is to be given to record_free(). If it is false, there is nothing to be freed: record_parse() is to read the line.
 */
bool record_scan(const char *line, size_t len, const uint32_t parts[RECORD_TYPES], struct record *r);

#endif
