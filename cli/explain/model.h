/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What harmed handshakes, worst first: records in, ranked causes out. Pure.
 *
 * A handshake is harmed if it failed, was retransmitted or its record has a cause. Both sides of
 * one connection (records with the same `conn` and different roles, on whatever hosts) are one handshake; of two
 * causes that of the higher weight (causes.h) counts, then the proven one, then the passive
 * side's, which knows the listener.
 *
 * Causes are counted by code and by what is to be looked at: the listener, the destination, or
 * the process that connects. Their rank: handshakes that failed, then time lost, then handshakes
 * harmed, then segments refused.
 *
 * Both sides of a connection are joined if at most a million others, at least, come between them; `forgotten` says how many
 * were given up. Of several hosts all are kept.
 *
 * A feed may name any number of places. The first 4,096 are kept apart; of each code, what is beyond is one cause.
 *
 * Time lost is the latency of a handshake that failed, what one that was retransmitted waited for
 * timers, and of one that was merely slow what it took beyond the usual there: the median of the
 * last ordinary handshakes of the same place in the same feed. Where that is not known it counts as
 * untimed, not as 0.
 */
#ifndef TCPSHAKE_EXPLAIN_MODEL_H
#define TCPSHAKE_EXPLAIN_MODEL_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/names.h"
#include "cli/feed/causes.h"
#include "cli/feed/evidence.h"
#include "cli/feed/group.h"
#include "cli/feed/input.h"
#include "cli/feed/parsed_record.h"

enum { ADDR_SIZE = 64, CODE_SIZE = 48, COMM_SIZE = 64, TS_SIZE = 40 };

/* Of a queue: what it did not take. One handshake may be refused several times. */
struct explain_refused {
	uint64_t syn, ack;
	uint64_t cookie; /* answered with a SYN cookie instead */
	uint64_t proven, probable; /* of all three */
};

struct explain_process {
	bool known;
	uint64_t pid, uid; /* uid: or COUNT_UNKNOWN */
	char comm[COMM_SIZE];
	uint32_t container_number; /* the model's own */
	struct record_container container; /* after explain_finish(), as far as records say */
};

struct explain_end {
	char addr[ADDR_SIZE];
	uint16_t port;
};

/* Handshakes that NAT led elsewhere: their latency and outcome are from there. */
struct explain_led {
	uint64_t handshakes; /* from and to the ends below */
	uint64_t others; /* from or to others */
	uint32_t lead; /* which it is; the model's own */
	bool home; /* to the client's own host, as to a sidecar's proxy */
	struct explain_end from, to;
	struct explain_process process; /* who listens there, if the feed says so */
};

struct explain_cause {
	char code[CODE_SIZE];
	const struct cause_row *row; /* NULL: a newer daemon's code */
	enum cause_by by; /* not CAUSE_BY_ROLE */
	uint64_t netns; /* 0: not reported */
	uint32_t host_number;
	const char *host; /* its name, if the records are of several hosts; else NULL */
	bool has_at; /* never by source; by listener only if there is one */
	bool others; /* of all places beyond those that are kept apart: neither place nor process is known */
	char addr[ADDR_SIZE];
	uint16_t port;
	struct explain_process process; /* the newest */
	uint64_t handshakes, proven, probable, failed;
	uint64_t outcomes[OUTCOMES + 1]; /* the last: a newer daemon's */
	uint64_t time_lost_ns, untimed;
	struct explain_refused refused;
	struct explain_led led;
	char first[TS_SIZE], last[TS_SIZE]; /* "" if no record had a time */
	char *evidence; /* the newest sentence, or NULL */
	/* Of the listener, as far as the feed had records of it. */
	uint64_t limit; /* or COUNT_UNKNOWN */
	struct backlog backlog;
	const struct group *group; /* of the listeners there, or NULL */
	uint64_t oldest_wait_ns; /* the longest wait seen in its queue, or NS_UNKNOWN */
};

struct explain_totals {
	uint64_t handshakes, harmed, failed, time_lost_ns, untimed;
	uint64_t undiagnosed; /* harmed, without a cause in the record */
	uint64_t forgotten; /* connections, of which the other side would count as another one if it came now */
	uint64_t containers_omitted; /* records whose container had no room */
	uint64_t others; /* records with a cause that is counted among those of other places */
	uint64_t lost_records, lost_resets; /* the second are of the first */
	uint64_t resets_sent, resets_received;
	char from[TS_SIZE], to[TS_SIZE];
	/* Whose feed it is; `mixed` if of several hosts or boots. */
	bool has_host, mixed;
	char host[ADDR_SIZE], boot_id[ADDR_SIZE]; /* boot_id: "" if not reported */
	struct evidence evidence; /* what was seen there; of several feeds what all of them saw */
	uint32_t hosts; /* that records name, or recordings stand for: 0 or 1 where nobody says that there are several */
	bool slow_wanted; /* a daemon was asked to find what is slow (--slow) */
};

struct explain;

struct explain *explain_new(void);
void explain_free(struct explain *e);

void explain_add(struct explain *e, const struct record *r);
/*
 * Count and rank; nothing may be added after it. `report`: the hosts and their clocks, if there are several. Memory
 * ran out (now or before) if negative.
 */
int explain_finish(struct explain *e, const struct input_report *report);

size_t explain_count(const struct explain *e);
const struct explain_cause *explain_at(const struct explain *e, size_t rank); /* from 0 */
/* As the records number the hosts; NULL if there is only one. */
const char *explain_host_name(const struct explain *e, uint32_t number);
const struct explain_totals *explain_totals(const struct explain *e);

#endif
