/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One line of the feed as a plain struct, for every view. Pure.
 *
 * What a record lacks is NULL, NS_UNKNOWN or false. Words of newer daemons (a record type, an
 * outcome) are kept as text beside a number of -1, so that nothing they say is lost. Strings
 * are the feed's own and may hold anything: text/text.h is for showing them.
 */
#ifndef TCPSHAKE_PARSED_RECORD_H
#define TCPSHAKE_PARSED_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "cli/feed/backlog.h"
#include "common/names.h"
#include "common/record_type.h"

/* Numbers above this are not known exactly, and left out: a JSON number may be a double. */
#define RECORD_EXACT_MAX 9007199254740992ULL

struct endpoint {
	const char *addr;
	uint16_t port;
	bool numeric; /* `bytes` are valid: `addr` is an address as inet_pton(3) knows it */
	bool ipv6; /* `addr` has colons */
	uint8_t bytes[16]; /* network byte order, v4-mapped */
};

/* NULL where it is not known. */
struct record_container {
	const char *id, *name, *pod, *namespace;
};

struct owner {
	bool known;
	uint64_t pid;
	uint64_t uid; /* or COUNT_UNKNOWN */
	const char *comm;
};

struct queue {
	bool known;
	uint64_t len, max, peak;
};

/* Of connections that came of late: lengths, or ns. */
struct spread {
	bool known;
	uint64_t count, p50, p99, max; /* all 0 if `count` is */
};

/* Words as they came; all NULL if there is none. */
struct cause {
	const char *code, *certainty, *detail;
};

struct record_handshake {
	const char *conn; /* the same on both sides, or NULL */
	const char *client_isn; /* eight hex digits, or NULL */
	uint64_t netns; /* 0: not in the record */
	int role; /* enum role, or -1 */
	int outcome; /* enum outcome, or -1 */
	const char *role_name;
	const char *outcome_name;
	const char *errno_name;
	struct endpoint local, remote;
	bool has_nat;
	struct endpoint nat; /* where the other side really was */
	uint64_t latency_ns; /* or NS_UNKNOWN */
	uint64_t retransmit_wait_ns; /* or NS_UNKNOWN */
	uint64_t retransmits;
	unsigned flags; /* enum handshake_flag */
	bool has_queue;
	uint64_t queue_len, queue_max;
	bool has_process;
	uint64_t pid;
	uint64_t uid; /* or COUNT_UNKNOWN */
	const char *comm;
	const char *cgroup_path;
	struct record_container container;
	bool deferred; /* TCP_DEFER_ACCEPT: its latency is the wait for data */
	bool inferred; /* no event reported its end */
	struct cause cause;
};

struct record_hello {
	const char *version;
	const char *host;
	const char *boot_id;
	const char *kernel;
	const char *evidence;
	const cJSON *filters; /* the daemon's own, or NULL */
	const cJSON *subscription; /* this feed's own, or NULL */
	bool repeated; /* it is from another place of the feed, and its time is not that of what follows */
};

struct record_loss {
	const char *what;
	const char *why;
	uint64_t count;
};

/* Of handshakes, by the kernel's count: seen = delivered + filtered + limited + lost. */
struct record_bye {
	const char *reason;
	bool has_totals;
	uint64_t seen, filtered, limited, lost;
};

/* What `bye` and `stats` both have: objects by type of record, and by role; or NULL. */
struct record_stats {
	uint64_t uptime_ns; /* or NS_UNKNOWN */
	const cJSON *totals;
	const cJSON *outcomes;
};

struct record_listener {
	int event; /* enum listener_change, or -1 */
	const char *event_name;
	uint64_t netns;
	struct endpoint local;
	bool v6only;
	const char *socket; /* with the netns: which one */
	struct owner owner;
	uint64_t owners; /* all that hold it, as far as known */
	struct backlog backlog;
	struct queue accept;
	struct queue syn; /* `peak` is 0 */
	struct spread depth, wait; /* of the accept queue */
	struct spread syn_depth;
	uint64_t drops; /* or COUNT_UNKNOWN */
	uint64_t overflow_syn, overflow_ack, overflow_cookie;
	bool waiting; /* there is somebody in the accept queue */
	uint64_t oldest_wait_ns; /* or NS_UNKNOWN */
	struct record_container container;
};

struct record_overflow {
	const char *stage, *queue, *action, *evidence;
	uint64_t count;
	struct cause cause;
	uint64_t netns;
	bool has_listener, has_remote;
	struct endpoint listener, remote;
	struct owner owner;
	struct queue accept;
	uint64_t interval_ns; /* or NS_UNKNOWN */
};

struct record_audit {
	uint64_t netns;
	uint64_t interval_ns; /* or NS_UNKNOWN */
	const cJSON *counters; /* an array; for record_counter_of() */
	bool balanced;
};

struct record_counter {
	const char *name;
	double kernel, observed, difference; /* integers, as JSON has them */
	const char *rule; /* or NULL */
};

struct record_accept {
	struct endpoint local, remote;
	uint64_t wait_ns; /* or NS_UNKNOWN */
	const char *evidence;
	struct owner owner;
};

struct record_reset {
	const char *conn; /* as a handshake's; NULL once it is established */
	bool sent;
	const char *direction, *phase, *cause;
	const char *reason, *detail; /* or NULL */
	struct endpoint local, remote;
	struct owner owner;
};

struct record_retransmit {
	const char *segment;
	bool syn_ack; /* else a SYN, or a newer daemon's word */
	uint64_t attempt;
	uint64_t elapsed_ns; /* or NS_UNKNOWN */
	bool acked;
	struct endpoint local, remote;
	struct owner owner;
};

struct record_drop {
	const char *segment, *reason;
	bool out;
	struct endpoint local, remote;
	struct owner owner;
};

struct record_close {
	const char *conn; /* as the handshake's; NULL: not known */
	int role; /* enum role, or -1 */
	const char *first, *how; /* `first`: NULL, if nobody was, or it is not known */
	const char *call; /* with which this side began to end it; NULL: none, or it is not known */
	uint64_t duration_ns; /* or NS_UNKNOWN */
	uint64_t spent_ns[CLOSE_STATES]; /* or NS_UNKNOWN */
	bool time_wait;
	struct endpoint local, remote;
	struct owner owner;
};

struct record_end {
	bool ok;
	const char *error;
};

struct record {
	enum record_type type;
	const char *type_name;
	const char *ts;
	uint64_t wall_ns; /* the same, since the epoch; 0 if it has none */
	/*
	 * Whose record it is, where a feed may be of several hosts: its name, and its number among them, which with
	 * inode numbers and pids makes them one host's. Else NULL, and 0. Set by what reads the feed (hosts.h).
	 */
	const char *host;
	uint32_t host_number;
	bool among_hosts; /* there are several, as far as was read */
	const char *feed; /* as --with-host names it, or NULL */
	uint64_t seq; /* 0 if it has none */
	uint64_t mono_ns; /* 0 if it has none */
	uint64_t netns; /* 0 if it is about none */
	const char *cgroup_path; /* or NULL */
	struct record_stats stats; /* of RECORD_STATS and RECORD_BYE */
	union {
		struct record_handshake handshake;
		struct record_hello hello;
		struct record_loss loss;
		struct record_bye bye;
		struct record_end end;
		struct record_listener listener;
		struct record_overflow overflow;
		struct record_audit audit;
		struct record_accept accept;
		struct record_reset reset;
		struct record_retransmit retransmit;
		struct record_drop drop;
		struct record_close close;
	};
	cJSON *json; /* owns the strings; NULL where the line was read without a tree (record_scan.h): then … */
	char *text; /* … this does */
};

enum record_status {
	RECORD_GOOD,
	RECORD_BAD, /* no JSON object, or not what its type promises */
	RECORD_FOREIGN, /* a version of the format that this program does not know */
};

/*
 * Parse one line. If it is RECORD_GOOD, `r` is to be given to record_free(); if not, `error`
 * says why in one line and `r` is untouched.
 */
enum record_status record_parse(const char *line, size_t len, struct record *r, char *error,
				size_t size);
void record_free(struct record *r);
/* Take its number and its times away: it stands elsewhere than where it was made. */
void record_forget_time(struct record *r);

/* A `ts` in nanoseconds since the epoch; 0 if it is NULL or none. */
uint64_t record_time_of(const char *ts);
uint64_t record_time_at(const char *ts, size_t len); /* not NUL-terminated */
/* One item of an audit's counters; false if it is none. */
bool record_counter_of(const cJSON *item, struct record_counter *c);
/* Is the cause certain? */
bool record_is_proven(const struct cause *cause);
/* Was the SYN answered with a cookie? Was the final ACK refused? */
bool record_is_cookie(const struct record_overflow *o);
bool record_is_ack(const struct record_overflow *o);
bool record_by_queue(const struct record_overflow *o); /* was a queue full? */
/* A count in an object of the record; 0 if it is not there. */
uint64_t record_count_of(const cJSON *object, const char *key);

#endif
