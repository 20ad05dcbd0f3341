/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keys and values of the maps that both sides use. */
#ifndef TCPSHAKE_MAPS_H
#define TCPSHAKE_MAPS_H

#include "event.h"
#include "latency.h"

/* What the ring's reader does. */
struct ring_reader {
	__u32 asleep; /* it fetches nothing until it is woken; who wakes it sets 0 */
	__u32 pad;
};

/* Key of the trie of remote addresses: the prefix is counted on the mapped form. */
struct remote_key {
	__u32 prefix;
	__u8 addr[16];
};

/* What connect() knew, while the attempt lasts. */
struct attempt {
	__u64 socket; /* its address; 0: the slot is free */
	__u64 start_ns; /* when it entered SYN_SENT, or its first SYN left; 0: not filled in yet */
	__u64 cgroup_id;
	__u32 pid;
	__u32 uid;
	char comm[COMM_LEN];
	__u32 marks; /* of the socket: once it has a local port, they are others */
	__u8 simultaneous; /* the peer's SYN crossed ours */
	__u8 reset; /* a RST has come */
	__u8 stray; /* so has a segment that answers no SYN of it */
	__u8 elsewhere; /* not in the cgroup that the filter asks for */
	__u8 fresh; /* takeover.bpf.h has not seen it yet */
	__u8 bound; /* it had its local port before */
	__u8 may_wait; /* TCP_FASTOPEN_CONNECT: its SYN may leave long after connect() */
	__u8 timed; /* start_ns is of its first SYN, from retrans_stamp */
	__u16 retransmits; /* total_retrans, as far as namespace_counts has it */
	__u8 timers; /* icsk_retransmits, the same */
	__u8 decided; /* namespace_counts has it among those */
};

/* A connection that lasts, for the record of its end. */
struct lifetime {
	__u64 begin_ns; /* ESTABLISHED; 0: not seen */
	__u64 entered_ns; /* the state that it is in */
	__u64 spent_ns[CLOSE_STATES];
	__u32 pid; /* who closed it, or whose connect() it is; 0: not known */
	__u32 uid;
	char comm[COMM_LEN];
	__u32 client_isn;
	struct latency_key port; /* whose port it belongs to; `role`: ROLE_UNKNOWN, too */
	__u8 first;
	__u8 state; /* that it is in, by the last event of it */
	__u8 crossed; /* the peer's SYN crossed ours */
	__u8 call; /* enum close_call */
	__u32 slot; /* as in `latency_slots`: where it is counted in that state; NO_SLOT: nowhere */
	__u32 pad;
};

#define NO_SLOT (~0U)

/* Histograms of closed connections: how long they lasted, by role and how they ended; how long they were in three states, by role. */
enum close_time { TIME_CLOSE_WAIT = HOWS, TIME_FIN_WAIT2, TIME_LAST_ACK, CLOSE_TIMES };
#define CLOSE_TIME_SLOTS (CLOSE_TIMES * (ROLES + 1))

/*
 * The same by the server's port, with a bucket for each power of two; however they ended. It is in the slot that the port has in
 * bpf/latency.h, of ports that have none in the slot of the number of the role.
 */
enum port_time { PORT_DURATION, PORT_CLOSE_WAIT, PORT_FIN_WAIT2, PORT_LAST_ACK, PORT_TIMES };
#define PORT_BUCKETS (LATENCY_MAX_BITS - LATENCY_MIN_BITS)

struct close_port {
	__s64 closing[CLOSE_STATES]; /* connections that are in such a state now */
	struct port_spread {
		__u64 sum_ns;
		__u64 bucket[PORT_BUCKETS];
	} spread[PORT_TIMES];
};

/* All listeners of one port of one namespace and family: a child has its listener's, if no more is known of it. */
struct service_key {
	__u32 netns;
	__u16 local_port;
	__u16 family;
};

/* Whose queue: the listener's address, or, where only its port is known, the number of that. */
struct queue_key {
	__u64 queue;
};

/* No number of these is an address of the kernel's, whose first bit is 1. */
static inline __u64 service_queue(struct service_key key)
{
	return (__u64)(key.netns & 0x7fffffff) << 32 | (__u32)key.local_port << 16 | key.family;
}

static inline bool queue_is_service(__u64 queue)
{
	return !(queue >> 63);
}

/* A connection that accept() has not taken yet. */
struct waiter {
	__u64 since_ns;
	__u64 queue; /* as in struct queue_key */
};

/* Calls of connect() that failed before their sockets left CLOSE: by errno and the name of the process. */
struct connect_error_key {
	__u32 error; /* 0: of those beyond the room that the table has */
	char comm[COMM_LEN];
};

#define CONNECT_ERRORS_MAX 512

struct service {
	__u32 accept_peak; /* of an accept queue, since the last sample: by connections of which only the port is known */
	__u32 deferred; /* TCP_DEFER_ACCEPT, as it was when the listener was last looked at */
};

/* A request whose SYN-ACK was retransmitted, by its connection. */
struct request_key {
	__u8 local_addr[16];
	__u8 remote_addr[16];
	__u32 netns;
	__u16 local_port;
	__u16 remote_port;
};

/*
 * The last of the time-outs within which a SYN-ACK that went out after `timeouts` of them may be the last that is sent. With
 * TCP_DEFER_ACCEPT, once the ACK has come, it goes out again only at the last but one of `deferred` (syn_ack_recalc()).
 */
static inline __u32 request_silent_until(__u32 timeouts, __u32 deferred)
{
	return deferred > timeouts + 2 ? deferred - 2 : timeouts;
}

/*
 * How long a request is kept after its SYN-ACK went out again. The timer doubles from TCP_TIMEOUT_INIT up to TCP_RTO_MAX; a
 * duplicate SYN does not move it. Twice that time: what is still here when the timer has run out did not complete,
 * says the daemon (cause/correlate.c).
 */
static inline __u64 request_kept_ns(__u32 timeouts, __u32 deferred)
{
	__u32 last = request_silent_until(timeouts, deferred);
	__u64 seconds = last < 6 ? 4ULL << last : 240;

	return (seconds + 240 * (last - timeouts) + 4) * 1000000000ULL;
}

struct request {
	__u64 start_ns; /* of the first SYN-ACK */
	__u64 last_ns; /* of the last one retransmitted */
	__u64 expires_ns; /* by then it has completed or never will */
	__u32 client_isn;
	__u32 retransmits;
	__u64 acked; /* its ACK had come by then, and was not taken */
};

/* A SYN that a kernel watched here has answered with a RST, kept by its sequence number: NAT may change its ends on the way. */
struct refusal {
	__u64 mono_ns;
	__u8 client_addr[16]; /* as the server saw it */
	__u8 server_addr[16];
	__u16 client_port;
	__u16 server_port;
	__u32 pad;
};

_Static_assert(sizeof(struct refusal) == 48, "refusal");

/* What a look at a listener found. */
struct listener_sample {
	__u64 socket;
	__u64 mono_ns;
	__u64 oldest_ns; /* when the head of the accept queue joined it; 0: the queue is empty */
	struct listener_state state;
	__u32 max_syn_backlog; /* of the namespace */
	__u32 drops; /* sk_drops */
	__u32 accept_len;
	__u32 accept_max;
	__u32 accept_peak; /* since the last sample */
	__u32 port_peak; /* … of any listener of its service_key: by connections of which no more is known */
	__u32 syn_len;
	__u32 syn_young; /* of which the SYN-ACK was sent once */
	__u32 syn_peak; /* since the last sample, where requests are seen to join */
	__u8 gone;
	__u8 syncookies; /* tcp_syncookies of the namespace */
	__u8 deferred; /* TCP_DEFER_ACCEPT */
	__u8 quiet; /* as the request said that it was: nothing else is filled in but `socket` */
};

_Static_assert(sizeof(struct listener_sample) == 160, "listener_sample");

/* How many listeners one run of the program looks at. */
#define LOOK_BATCH 256

/* Which listener to look at, and how it was. */
struct look_request {
	__u64 socket;
	__u32 netns;
	__u32 drops;
	__u32 accept_max;
	__u16 local_port;
	__u8 quiet; /* it was empty, and all that it dropped is explained: if that is so still, say no more */
	__u8 pad;
};

_Static_assert(sizeof(struct look_request) == 24, "look_request");

/*
 * In which look's time a connection or a request last joined a queue of a port, by a hash of namespace and port, so that a
 * look need not ask about each port's peaks. Another port's connection looks like one here; none is overlooked.
 */
#define JOINED_SLOTS 65536

struct joined_ports {
	__u8 look[JOINED_SLOTS]; /* struct settings: look */
};

static inline __u32 joined_slot(__u32 netns, __u16 local_port)
{
	return (netns * 2654435761U + local_port * 40503U) % JOINED_SLOTS;
}

#endif
