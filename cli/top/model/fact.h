/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `top` keeps of one record, in one size, and the last of them, so that a filter typed later
 * can be applied to what came before it. Pure.
 */
#ifndef TCPSHAKE_TOP_FACT_H
#define TCPSHAKE_TOP_FACT_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/names.h"
#include "common/filter.h"
#include "cli/feed/parsed_record.h"
#include "cli/top/model/paths.h"
#include "cli/top/model/key_table.h"

enum top_kind { TOP_HANDSHAKE, TOP_OVERFLOW, TOP_LOSS, TOP_AUDIT };

enum top_flag {
	TOP_PROVEN = 1 << 0, /* its cause is */
	TOP_PROCESS = 1 << 1, /* pid and comm are known */
	TOP_LOCAL = 1 << 2, /* has a local end: of an overflow its listener */
	TOP_REMOTE = 1 << 3,
	TOP_AT_ACK = 1 << 4, /* refused at the final ACK; else at the SYN */
	TOP_COOKIE = 1 << 5, /* not refused: answered with a SYN cookie */
	TOP_LIMITED = 1 << 6, /* not lost: more than --max-rate or the limit of resets */
	TOP_BALANCED = 1 << 7, /* the audit */
	TOP_INFERRED = 1 << 8,
	TOP_NO_QUEUE = 1 << 9, /* refused, but by no full queue */
};

#define TOP_COMM 16
#define TOP_CODES 64
#define TOP_CODE_OTHER 255 /* of a cause for which there was no room */
#define TOP_DETAIL 240
#define TOP_DETAILS 2048 /* a power of two */

struct top_fact {
	uint64_t mono_ns;
	uint64_t latency_ns, wait_ns; /* or NS_UNKNOWN */
	uint8_t local[16], remote[16]; /* network byte order, v4-mapped */
	char comm[TOP_COMM];
	uint32_t netns;
	uint32_t pid;
	uint32_t detail; /* for top_detail() */
	uint32_t count; /* of an overflow or a loss; else 1 */
	uint16_t local_port, remote_port;
	uint16_t flags;
	uint8_t kind, role, outcome; /* ROLES, OUTCOMES: a newer daemon's */
	uint8_t retransmits; /* 255: or more */
	uint16_t cgroup; /* for top_paths_text() */
	uint16_t host; /* as struct record numbers them */
	uint8_t code; /* of its cause, for top_code(); 0: none */
};

/* Words that facts refer to: the codes of causes, and the newest sentences. */
struct top_names {
	struct keyset codes;
	struct top_paths cgroups;
	char (*details)[TOP_DETAIL];
	uint32_t next_detail; /* from 1 on */
};

int top_names_init(struct top_names *n);
int top_names_copy(struct top_names *to, const struct top_names *from);
void top_names_free(struct top_names *n);

/* "other" for TOP_CODE_OTHER. */
const char *top_code(const struct top_names *n, uint8_t code);
/* The sentence, or NULL if there was none or newer ones have taken its place. */
const char *top_detail(const struct top_names *n, uint32_t detail);

/* False for records that are no fact. `mono_ns` stands for one without a time of its own. */
bool top_fact_of(struct top_names *n, const struct record *r, uint64_t mono_ns,
		 struct top_fact *fact);
/*
 * As the daemon filters a stream: losses are not filtered, audits by namespace only. `cgroup`: its
 * path, or NULL.
 */
bool top_fact_matches(const struct top_fact *fact, const char *cgroup, const struct filter *filter);

/* ---- the log: the newest facts ---- */

#define TOP_LOG_CHUNK 2048
#define TOP_LOG_CHUNKS 128
#define TOP_LOG_FACTS (TOP_LOG_CHUNK * TOP_LOG_CHUNKS)

struct top_chunk;

struct top_log {
	struct top_chunk *chunks[TOP_LOG_CHUNKS]; /* shared with copies, and then not changed */
	uint64_t end; /* facts that ever came */
	uint64_t start; /* the oldest that is still here */
};

/* False if memory is out: the fact is not kept. */
bool top_log_put(struct top_log *log, const struct top_fact *fact);
/* start <= number < end */
const struct top_fact *top_log_at(const struct top_log *log, uint64_t number);
int top_log_copy(struct top_log *to, struct top_log *from);
void top_log_free(struct top_log *log);

#endif
