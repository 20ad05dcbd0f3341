/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The audits of a whole recording, summed up by the kernel's counters. Pure. */
#ifndef TCPSHAKE_REPORT_AUDITS_H
#define TCPSHAKE_REPORT_AUDITS_H

#include "cli/feed/parsed_record.h"
#include "common/keyset.h"

#define AUDITS_COUNTERS 64
#define AUDITS_NAMESPACES 4096 /* that are counted; there may be more */

struct audit_sum {
	char name[64], rule[64]; /* rule: the newest that explains a difference, or "" */
	double kernel, observed, difference;
	uint64_t unexplained; /* audits in which it differed without a rule */
};

struct audits {
	uint64_t count, unbalanced;
	struct keyset namespaces;
	struct audit_sum sums[AUDITS_COUNTERS];
	size_t sum_count;
	bool more; /* counters for which there was no room */
};

void audits_free(struct audits *a);
void audits_add(struct audits *a, const struct record *r);

#endif
