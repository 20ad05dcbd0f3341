/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel's own books of a network namespace: /proc/PID/net/netstat and snmp. */
#ifndef TCPSHAKE_NETSTAT_H
#define TCPSHAKE_NETSTAT_H

#include <stddef.h>
#include <stdint.h>

enum netstat_counter {
	NETSTAT_ACTIVE_OPENS,
	NETSTAT_PASSIVE_OPENS,
	NETSTAT_ATTEMPT_FAILS,
	NETSTAT_LISTEN_OVERFLOWS,
	NETSTAT_LISTEN_DROPS,
	NETSTAT_REQQ_FULL_DROP,
	NETSTAT_REQQ_FULL_COOKIES,
	NETSTAT_OUT_RSTS,
	NETSTAT_EMBRYONIC_RSTS,
	NETSTAT_SYNCOOKIES_SENT,
	NETSTAT_SYNCOOKIES_RECV,
	NETSTAT_SYN_RETRANS,
	NETSTAT_TIMEOUTS,
	NETSTAT_AUDITED, /* the number of those above, which the audit compares */
	NETSTAT_RETRANS_SEGS = NETSTAT_AUDITED,
	NETSTAT_RETRANS_FAIL,
	NETSTAT_STILL_QUEUED,
	NETSTAT_ABORT_ON_TIMEOUT,
	NETSTAT_DEFER_ACCEPT_DROP,
	NETSTAT_NO_ROUTES, /* IPv4's */
	NETSTAT_NO_ROUTES6,
	NETSTAT_COUNTERS,
};

extern const char *const netstat_names[NETSTAT_COUNTERS];

struct netstat {
	uint64_t value[NETSTAT_COUNTERS];
};

/*
 * Parse netstat or snmp: pairs of lines, names and values. Counters that `text` does not
 * have keep their value. Pure.
 */
void netstat_parse(struct netstat *n, char *text);
/* The same of snmp6, of which each line is a name and a value. Pure. */
void netstat_parse_ipv6(struct netstat *n, char *text);

/* The files, open: they stay those of the namespace, whichever process ends. */
struct netstat_files {
	int fd[2]; /* netstat, snmp; -1: not open */
	int snmp6; /* -1: not open, or there is no IPv6 */
	int fib_trie, if_inet6; /* for locals.h; -1: not open, or there are none */
};

#define NETSTAT_CLOSED { { -1, -1 }, -1, -1, -1 }

/*
 * Open them as the process sees them, if it is in that namespace now. 0; -ESTALE if it is not; or
 * another negative errno (it ended). An open file keeps the namespace alive: close it with the
 * last listener.
 */
int netstat_open(struct netstat_files *files, uint32_t pid, uint32_t netns);
/* Without the counters of IPv6, which are a file of their own: that one is read apart. */
int netstat_read(const struct netstat_files *files, struct netstat *n);
void netstat_read_ipv6(const struct netstat_files *files, struct netstat *n);
void netstat_close(struct netstat_files *files);

#endif
