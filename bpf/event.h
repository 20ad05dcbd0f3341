/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel side tells the daemon: the records in the ring buffer, the counters and the
 * configuration. Shared by bpf/ and daemon/, so: sized integers, explicit padding, no libc.
 *
 * Addresses are 16 bytes in network byte order, IPv4 as v4-mapped IPv6 (RFC 4291 2.5.5.2).
 * Ports are in host byte order. Times are nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef TCPSHAKE_EVENT_H
#define TCPSHAKE_EVENT_H

#ifdef __bpf__
#include "vmlinux.h"
#else
#include <linux/types.h>
#include <stdbool.h>
#endif

/* A duration or a moment that the kernel cannot vouch for: `null` in the feed. */
#define NS_UNKNOWN (~0ULL)

#define COMM_LEN 16

/* Numbers of these enums index counters and filter masks; append only. */
enum event_kind {
	EVENT_HANDSHAKE, /* struct event_handshake: an attempt ended */
	EVENT_LISTENER, /* struct event_listener: a socket entered or left LISTEN */
	EVENT_KINDS,
};

enum role {
	ROLE_ACTIVE, /* this host sent the SYN */
	ROLE_PASSIVE, /* this host sent the SYN-ACK */
	ROLES,
};

enum outcome {
	OUTCOME_ESTABLISHED,
	OUTCOME_REFUSED,
	OUTCOME_RESET,
	OUTCOME_TIMEOUT,
	OUTCOME_UNREACHABLE,
	OUTCOME_CANCELLED,
	OUTCOME_NO_PORT,
	OUTCOME_OVERFLOW,
	OUTCOMES,
};

enum handshake_flag {
	HANDSHAKE_FASTOPEN = 1 << 0, /* data of the SYN was accepted (RFC 7413) */
	HANDSHAKE_SYNCOOKIE = 1 << 1, /* the request was rebuilt from a SYN cookie */
	HANDSHAKE_SIMULTANEOUS = 1 << 2, /* SYN_SENT -> SYN_RECV (RFC 9293 3.5) */
	HANDSHAKE_PARTIAL = 1 << 3, /* its beginning was not seen */
};

struct event_header {
	__u16 kind; /* enum event_kind */
	__u16 len; /* of the whole record, bytes */
	__u32 netns; /* inode number of the network namespace */
};

struct event_handshake {
	struct event_header header;
	__u64 end_ns;
	__u64 latency_ns; /* first SYN or SYN-ACK to the end, or NS_UNKNOWN */
	__u64 rtt_ns; /* the last round trip, or NS_UNKNOWN */
	__u64 retransmit_wait_ns; /* part of latency_ns, or NS_UNKNOWN */
	__u64 cgroup_id; /* active: the caller's; passive: the listener's; 0: none */
	__u8 local_addr[16];
	__u8 remote_addr[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 client_isn; /* the SYN's sequence number; of both SYNs, XORed, if simultaneous */
	__u8 role; /* enum role */
	__u8 outcome; /* enum outcome */
	__u8 flags; /* enum handshake_flag */
	__u8 error; /* sk_err: an errno, 0 if none */
	__u8 soft_error; /* sk_err_soft: an ICMP error that did not end it */
	__u8 pad;
	__u16 retransmits; /* of the SYN or SYN-ACK; saturates */
	union {
		struct { /* ROLE_ACTIVE: the connect() caller; pid 0: not seen */
			__u32 pid; /* thread group */
			__u32 uid;
			char comm[COMM_LEN];
		} caller;
		struct { /* ROLE_PASSIVE: the listener's queue before this child joined it */
			__u32 accept_queue_len;
			__u32 accept_queue_max;
		} listener;
	};
};

enum listener_event {
	LISTENER_OPENED, /* CLOSE -> LISTEN */
	LISTENER_CLOSED, /* LISTEN -> CLOSE */
	LISTENER_FOUND, /* an open file that refers to it, from the iterator */
};

struct event_listener {
	struct event_header header;
	__u64 mono_ns;
	__u64 socket; /* the kernel's address of the socket, unique while it lives */
	__u64 cgroup_id; /* the socket's */
	__u8 local_addr[16];
	__u16 local_port; /* 0: not bound yet (listen() without bind()) */
	__u8 event; /* enum listener_event */
	__u8 v6only; /* an IPv6 listener that takes no IPv4 */
	__u32 backlog; /* sk_max_ack_backlog; 0 at LISTENER_OPENED: not stored yet */
	__u32 pid; /* of the process that did it, or that holds the file */
	__u32 uid;
	char comm[COMM_LEN];
};

_Static_assert(sizeof(struct event_header) == 8, "event_header");
_Static_assert(sizeof(struct event_handshake) == 120, "event_handshake");
_Static_assert(sizeof(struct event_listener) == 80, "event_listener");

/*
 * One per CPU, only ever added to, atomically: a softirq may interrupt a program on its CPU.
 * For each kind: seen = delivered + filtered + ring_full.
 */
struct counters {
	__u64 handshakes[ROLES][OUTCOMES]; /* every one seen */
	__u64 delivered[EVENT_KINDS];
	__u64 filtered[EVENT_KINDS];
	__u64 ring_full[EVENT_KINDS];
	__u64 listeners; /* EVENT_LISTENERs seen */
	__u64 attempt_map_full; /* active attempts whose beginning could not be kept */
	__u64 request_map_full; /* SYN-ACK retransmits that could not be kept */
	__u64 stale; /* beginnings whose end was never seen, reclaimed */
};

/* Which handshakes go into the stream; the counters do not depend on it. */
struct stream_filter {
	__u64 slow_ns; /* latency at least this; 0: any, unknown latencies too */
	__u32 outcomes; /* 1 << enum outcome; 0: all */
	__u8 roles; /* 1 << enum role; 0: all */
	__u8 by_port; /* only ports in the bitmap, local or remote */
	__u8 by_remote; /* only remote addresses in the trie */
	__u8 pad;
};

#define PORT_BITMAP_BYTES 8192

/* Key of the trie of remote addresses: the prefix is counted on the mapped form. */
struct remote_key {
	__u32 prefix;
	__u8 addr[16];
};

/* What connect() knew, while the attempt lasts. */
struct attempt {
	__u64 socket; /* its address; 0: the slot is free */
	__u64 start_ns; /* when it entered SYN_SENT; 0: not filled in yet */
	__u64 cgroup_id;
	__u32 pid;
	__u32 uid;
	char comm[COMM_LEN];
	__u64 simultaneous; /* the peer's SYN crossed ours */
	__u64 pad; /* one cache line */
};

/* A request whose SYN-ACK was retransmitted, by its connection. */
struct request_key {
	__u8 local_addr[16];
	__u8 remote_addr[16];
	__u32 netns;
	__u16 local_port;
	__u16 remote_port;
};

struct request {
	__u64 start_ns; /* of the first SYN-ACK */
	__u64 last_ns; /* of the last one retransmitted */
	__u64 expires_ns; /* by then it has completed or never will */
};

#endif
