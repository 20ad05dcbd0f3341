/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel side hands to the daemon in the ring buffer; counters.h, settings.h and maps.h are the
 * rest of what both sides mean. Shared by bpf/ and daemon/, so: sized integers, explicit padding, no libc.
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

#include "latency.h"

/* A duration or a moment that the kernel cannot vouch for: `null` in the feed. */
#define NS_UNKNOWN (~0ULL)

#define COMM_LEN 16
#define PROCESS_TICK_NS 10000000ULL /* /proc shows when a process began in ticks of USER_HZ, which is 100 */

/* Numbers of these enums index counters and filter masks; append only. */
enum event_kind {
	EVENT_HANDSHAKE, /* struct event_handshake: an attempt ended */
	EVENT_LISTENER, /* struct event_listener: a socket entered or left LISTEN */
	EVENT_OVERFLOW, /* struct event_overflow: a queue refused a SYN or a final ACK */
	EVENT_ACCEPT, /* struct event_accept: accept() took a connection */
	EVENT_RESET, /* struct event_reset: a RST was sent or received */
	EVENT_RETRANSMIT, /* struct event_retransmit: a SYN or SYN-ACK went out again */
	EVENT_DROP, /* struct event_drop: this host threw a segment of a handshake away */
	EVENT_CLOSE, /* struct event_close: a connection ended */
	EVENT_KINDS,
};

#define KERNEL_PID 2 /* kthreadd: the owner of the kernel's own sockets */

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
	OUTCOME_DENIED,
	OUTCOMES,
};

_Static_assert(ROLES * OUTCOMES == LATENCY_FIXED, "latency slots");

enum handshake_flag {
	HANDSHAKE_FASTOPEN = 1 << 0, /* data of the SYN was accepted (RFC 7413) */
	HANDSHAKE_SYNCOOKIE = 1 << 1, /* the request was rebuilt from a SYN cookie */
	HANDSHAKE_SIMULTANEOUS = 1 << 2, /* SYN_SENT -> SYN_RECV (RFC 9293 3.5) */
	HANDSHAKE_PARTIAL = 1 << 3, /* its beginning was not seen */
	HANDSHAKE_RESET = 1 << 4, /* a RST ended it */
	HANDSHAKE_RESET_HERE = 1 << 5, /* … which a kernel that is watched here sent */
	HANDSHAKE_NO_NEIGHBOUR = 1 << 6, /* the next hop did not answer ARP or ND: given up about when this ended */
	HANDSHAKE_NO_ISN = 1 << 7, /* client_isn is not known */
	HANDSHAKE_BY_CALL = 1 << 8, /* it ended within a call on its socket, close() for one */
	HANDSHAKE_STRAY = 1 << 9, /* a segment came that answers no SYN of it, and got a RST */
	HANDSHAKE_ICMP = 1 << 10, /* an ICMP error came, which may have been read since */
	HANDSHAKE_ELSEWHERE = 1 << 11, /* not of the cgroup that the filter asks for */
	HANDSHAKE_DEFERRED = 1 << 12, /* the listener has TCP_DEFER_ACCEPT: it ends with the client's data, not with its ACK */
	HANDSHAKE_UNSENT = 1 << 13, /* connect() failed before a SYN left */
	HANDSHAKE_OVERDUE = 1 << 14, /* its SYN was to go out again, whether or not it did */
	HANDSHAKE_TRANSLATED = 1 << 15, /* with RESET_HERE: that kernel saw other ends, for NAT; struct refusal has them */
};

/*
 * connect() failed before its socket left CLOSE: no attempt began, so there is no SYN, and no number of one. Who
 * said so is in `refused_by`.
 */
#define HANDSHAKE_AT_ONCE (HANDSHAKE_UNSENT | HANDSHAKE_NO_ISN)

enum refused_by {
	REFUSED_SOMEWHERE, /* the call shows its error only */
	REFUSED_BY_SECURITY, /* a security module: the call did not come to the socket */
	REFUSED_BY_CGROUP, /* a program of its cgroup: it did not come to TCP */
	REFUSED_BY_ROUTING, /* TCP, which had asked for a route */
	REFUSED_BY_SOCKET, /* it takes IPv6 only (IPV6_V6ONLY), and the address is one of IPv4: probably */
	REFUSED_BYS,
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
	__u16 flags; /* enum handshake_flag */
	__u8 error; /* sk_err: an errno, 0 if none */
	union {
		__u8 soft_error; /* sk_err_soft: of an ICMP message while it went on, 0 if none */
		__u8 refused_by; /* HANDSHAKE_AT_ONCE: enum refused_by */
	};
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
			__u64 socket; /* the listener's address; 0: not known */
		} listener;
	};
};

static inline bool handshake_failed_at_once(const struct event_handshake *e)
{
	return (e->flags & HANDSHAKE_AT_ONCE) == HANDSHAKE_AT_ONCE;
}

/* When it began: its first SYN or SYN-ACK; NS_UNKNOWN if that is not known. Not a field: the record fills 128 bytes. */
static inline __u64 handshake_start_ns(const struct event_handshake *e)
{
	return e->latency_ns == NS_UNKNOWN ? NS_UNKNOWN : e->end_ns - e->latency_ns;
}

/*
 * A listener, by its socket's address, and what is kept of it. The socket may be gone and its
 * memory another's: then it is not in LISTEN any more, or its namespace or port differ.
 */
struct listener_key {
	__u64 socket;
};

/* Why a handshake was refused. Append only: it indexes counters. */
enum overflow_code {
	CODE_ACCEPT_QUEUE_FULL,
	CODE_SYN_QUEUE_FULL,
	CODE_SYN_QUEUE_THREE_QUARTERS,
	CODE_NO_ROUTE_BACK, /* no queue did: the SYN-ACK has no route */
	CODES,
};

struct listener_state {
	__u32 netns;
	__u16 local_port; /* 0 until it is bound */
	__u8 family; /* AF_INET, AF_INET6 */
	__u8 deferred; /* TCP_DEFER_ACCEPT, as it was at the last look */
	__u64 ack_drops; /* final ACKs refused, reported one by one, of requests in the SYN queue */
	__u64 cookie_drops; /* … and of SYN cookies */
	__u32 ack_resets; /* of ack_drops, those answered with a RST */
	__u32 merged; /* of the ACKs that are counted here: segments beyond the first, merged into one packet */
	__u32 failed; /* children that could not be made, with room in the queue; wraps, for 5.10 has no stack for more */
	__u32 unnamed; /* ACKs to requests dropped without a reason: refused final ACKs, and others; wraps */
	__u64 since_ns; /* in this table */
	__u64 syn_drops[CODES]; /* SYNs refused, reported one by one */
	__u32 syn_failed; /* SYNs, and ACKs of cookies, dropped for what no full queue explains; wraps */
	__u32 accept_peak; /* of the accept queue, since the last look */
	__u32 syn_peak; /* of the SYN queue, where requests are seen to join it */
	__u32 pad;
};

/* How accept(), or a connect() that fails before its socket leaves CLOSE, is seen; CALL_UNSEEN: not at all. */
enum call_evidence { CALL_UNSEEN, CALL_BY_FUNCTION, CALL_BY_SYSCALL };

struct event_accept {
	struct event_header header;
	__u64 mono_ns;
	__u64 wait_ns; /* since ESTABLISHED, or NS_UNKNOWN */
	__u64 cgroup_id; /* the socket's: its listener's */
	__u8 local_addr[16];
	__u8 remote_addr[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 client_isn;
	__u32 pid; /* of the process that called accept() */
	__u32 uid;
	char comm[COMM_LEN];
	__u8 evidence; /* enum call_evidence */
	__u8 pad[7];
};

_Static_assert(sizeof(struct event_accept) == 104, "event_accept");

enum reset_direction { RESET_SENT, RESET_RECEIVED, DIRECTIONS };

/* Where the connection stood. */
enum reset_phase {
	PHASE_NONE, /* there is no connection */
	PHASE_SYN_SENT,
	PHASE_SYN_RECV,
	PHASE_ESTABLISHED,
	PHASE_CLOSING, /* one side has sent its FIN, or the application has closed */
	PHASES,
};

enum reset_cause {
	RESET_PORT_CLOSED, /* a SYN for a port where nobody listens */
	RESET_NO_CONNECTION, /* a segment for a connection that does not exist */
	RESET_ABORT, /* the local application ended it: enum reset_abort says how */
	RESET_ABORT_ON_OVERFLOW,
	RESET_INVALID, /* an unacceptable segment of a connection that exists */
	RESET_LATE, /* a segment of a connection that is closed already */
	RESET_REFUSED, /* received in SYN_SENT */
	RESET_PEER, /* received later */
	RESET_CAUSES,
};

enum reset_abort {
	ABORT_UNKNOWN,
	ABORT_UNREAD, /* close() with data that nobody has read */
	ABORT_LINGER, /* SO_LINGER with a time of 0 */
	ABORT_UNACCEPTED, /* its listener was closed before accept() */
	ABORT_DISCONNECT, /* connect() with AF_UNSPEC */
	ABORT_DESTROYED, /* by SOCK_DESTROY, as of ss -K: by another process, who knows which */
	ABORT_TIMER, /* by the kernel: keepalive, or nobody held it any more */
	ABORTS,
};

#define NO_REASON 0xffffffff

struct event_reset {
	struct event_header header;
	__u64 mono_ns;
	__u64 cgroup_id; /* the socket's; 0 without a full one */
	__u8 local_addr[16];
	__u8 remote_addr[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 client_isn; /* if has_isn */
	__u32 reason; /* enum sk_rst_reason of the running kernel, or NO_REASON */
	__u8 direction; /* enum reset_direction */
	__u8 phase; /* enum reset_phase */
	__u8 cause; /* enum reset_cause */
	__u8 abort; /* enum reset_abort */
	__u32 pid; /* who aborted it, or whose connect() it was; 0: not known */
	__u32 uid;
	union {
		char comm[COMM_LEN];
		__u64 listener; /* if pid is 0: the address of the listener that it came to; 0: of none */
	};
	__u8 has_isn;
	__u8 pad[7];
};

_Static_assert(sizeof(struct event_reset) == 104, "event_reset");

enum retransmit_segment { SEGMENT_SYN, SEGMENT_SYN_ACK, SEGMENTS };

struct event_retransmit {
	struct event_header header;
	__u64 mono_ns;
	__u64 start_ns; /* of the first transmission, or NS_UNKNOWN */
	__u64 cgroup_id; /* SYN: of the connect() caller; SYN-ACK: the listener's */
	__u8 local_addr[16];
	__u8 remote_addr[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 client_isn;
	__u32 pid; /* SYN: of the connect() caller; 0: not seen */
	__u32 uid;
	union {
		char comm[COMM_LEN];
		__u64 listener; /* SYN-ACK: the listener's address; 0: not known */
	};
	__u16 attempt; /* 1: the first retransmission */
	__u8 segment; /* enum retransmit_segment */
	__u8 acked; /* SYN-ACK: the final ACK had come, and was not taken */
	__u8 deferred; /* SYN-ACK: of how many time-outs the listener's TCP_DEFER_ACCEPT is; 0: it has none */
	__u8 timeouts; /* SYN-ACK: how often its timer ran out */
	__u8 retries; /* SYN-ACK: how often it may: TCP_SYNCNT or tcp_synack_retries */
	__u8 crowded; /* SYN-ACK: the kernel gives up sooner now, for old requests fill half of the SYN queue */
};

_Static_assert(sizeof(struct event_retransmit) == 104, "event_retransmit");

enum drop_segment { DROP_SYN, DROP_SYN_ACK, DROP_ACK, DROP_SEGMENTS };
enum drop_direction { DROP_IN, DROP_OUT, DROP_DIRECTIONS };

/* Reasons of common/drop_reason.h, from 1 on: the kernel's own numbers differ from one to the next. */
#define DROP_REASONS_MAX 64
/* The kernel's numbers that are looked at; those above are of its subsystems. */
#define KERNEL_REASONS_MAX 256

struct event_drop {
	struct event_header header;
	__u64 mono_ns;
	__u64 cgroup_id; /* the socket's; 0 without one */
	__u8 local_addr[16]; /* out: its source; in: its destination */
	__u8 remote_addr[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 client_isn; /* of a SYN-ACK that takes data of the SYN and belongs to no socket: a later number */
	__u64 listener; /* its address, of what belongs to a request or came to a listener; 0: not known */
	__u32 pid; /* of the connect() caller; 0: not known */
	__u32 uid;
	char comm[COMM_LEN];
	__u8 segment; /* enum drop_segment */
	__u8 direction; /* enum drop_direction */
	__u8 reason;
	__u8 pad[5];
};

_Static_assert(sizeof(struct event_drop) == 104, "event_drop");

/* Who sent a FIN or a RST first. */
enum close_first {
	FIRST_LOCAL,
	FIRST_REMOTE,
	FIRST_BOTH, /* each sent its FIN before the other's came */
	FIRST_NOBODY, /* the kernel gave up */
	FIRST_UNKNOWN, /* that was not seen */
	FIRSTS,
};

enum close_how { HOW_FIN, HOW_RESET, HOW_TIMEOUT, HOWS };

/* States on the way to the end. */
enum close_state { SPENT_FIN_WAIT1, SPENT_FIN_WAIT2, SPENT_CLOSING, SPENT_CLOSE_WAIT, SPENT_LAST_ACK, CLOSE_STATES };

/* What the kernel kept of a connection that is over. */
enum close_rest {
	REST_NOTHING,
	REST_TIME_WAIT,
	REST_UNKNOWN, /* a stub in FIN_WAIT2, which no tracepoint shows any more */
	RESTS,
};

/* With which call this side's application began to end it. */
enum close_call {
	CLOSE_CALL_NONE, /* neither, or that was not seen */
	CLOSE_CALL_CLOSE, /* the last descriptor has gone: by close(), or as its process ended */
	CLOSE_CALL_SHUTDOWN,
	CLOSE_CALLS,
};

#define ROLE_UNKNOWN ROLES /* the handshake was not seen */

struct event_close {
	struct event_header header;
	__u64 mono_ns;
	__u64 duration_ns; /* since ESTABLISHED, or NS_UNKNOWN */
	__u64 spent_ns[CLOSE_STATES]; /* NS_UNKNOWN: it was not in that state, or that was not seen */
	__u64 cgroup_id; /* the socket's */
	__u8 local_addr[16];
	__u8 remote_addr[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 client_isn; /* unless the role is not known */
	__u32 pid; /* who closed it, or whose connect() it was; 0: not known */
	__u32 uid;
	char comm[COMM_LEN];
	__u8 role; /* enum role, or ROLE_UNKNOWN */
	__u8 first; /* enum close_first */
	__u8 how; /* enum close_how */
	__u8 rest; /* enum close_rest */
	__u8 call; /* enum close_call */
	__u8 pad[3];
};

_Static_assert(sizeof(struct event_close) == 144, "event_close");

enum listener_event {
	LISTENER_OPENED, /* CLOSE -> LISTEN */
	LISTENER_CLOSED, /* LISTEN -> CLOSE */
	LISTENER_FOUND, /* an open file that refers to it, from the iterator */
};

struct event_listener {
	struct event_header header;
	__u64 mono_ns;
	__u64 socket; /* the kernel's address of the socket, unique while it lives; 0: found by its inode only */
	__u64 cgroup_id; /* the socket's */
	__u64 inode; /* of its file, as /proc shows it; 0: it has none */
	__u8 local_addr[16];
	__u16 local_port; /* 0: not bound yet (listen() without bind()) */
	__u8 event; /* enum listener_event */
	__u8 v6only; /* an IPv6 listener that takes no IPv4 */
	__u32 backlog; /* sk_max_ack_backlog; 0 at LISTENER_OPENED: not stored yet */
	__u32 pid; /* of the process that did it, or that holds the file */
	__u32 uid;
	char comm[COMM_LEN];
	__u32 start; /* when that process began, by CLOCK_BOOTTIME, in PROCESS_TICK_NS; 0: not known */
	__u8 init; /* it is the first of its pid namespace */
	__u8 asked_known; /* at LISTENER_OPENED: `asked` and `granted` are */
	__u8 pad[2];
	__s32 asked; /* what listen() was given */
	__u32 granted; /* what net.core.somaxconn left of it */
	__u32 accept_len; /* of the accept queue */
	__u32 drops; /* sk_drops */
	struct listener_state state; /* at LISTENER_CLOSED: what the table held */
};

/* Where a refused handshake stood. */
enum overflow_stage {
	STAGE_SYN, /* its SYN was refused */
	STAGE_ACK, /* its final ACK was: the client believes it is connected */
	STAGES,
};

enum overflow_queue { QUEUE_ACCEPT, QUEUE_SYN, QUEUE_NONE, QUEUES };
#define LISTENER_QUEUES QUEUE_NONE /* the two that a listener has */

/* The one that was full. */
static inline enum overflow_queue overflow_queue_of(enum overflow_code code)
{
	return code == CODE_ACCEPT_QUEUE_FULL ? QUEUE_ACCEPT : code == CODE_NO_ROUTE_BACK ? QUEUE_NONE : QUEUE_SYN;
}

enum overflow_action {
	ACTION_DROPPED,
	ACTION_RESET, /* tcp_abort_on_overflow */
	ACTION_COOKIE, /* answered with a SYN cookie instead */
	ACTIONS,
};

enum overflow_evidence {
	EVIDENCE_KFREE_SKB, /* the drop itself, with its reason */
	EVIDENCE_SYNACK_RETRANSMIT, /* a SYN-ACK sent again though its ACK had come */
	EVIDENCE_SK_DROPS, /* the listener's drops, reconciled with the counters */
	EVIDENCE_COUNTERS, /* the namespace's counters alone */
	EVIDENCE_CONN_REQUEST, /* what the kernel counted in tcp_conn_request() for this SYN */
	EVIDENCE_CHECK_REQ, /* … in tcp_check_req() for this ACK of a request in the SYN queue */
	EVIDENCE_GET_COOKIE_SOCK, /* … in tcp_get_cookie_sock() for this ACK of a SYN cookie */
	EVIDENCES,
};

struct event_overflow {
	struct event_header header;
	__u64 mono_ns;
	__u64 socket; /* the listener's address */
	__u8 local_addr[16];
	__u8 remote_addr[16];
	__u16 local_port;
	__u16 remote_port;
	__u8 action; /* enum overflow_action */
	__u8 evidence; /* enum overflow_evidence */
	__u8 from_cookie; /* the request was in a SYN cookie */
	__u8 proven; /* the queue is full as this is written, or the kernel counted it so */
	__u8 stage; /* enum overflow_stage */
	__u8 code; /* enum overflow_code */
	__u8 from_here; /* its client's address is one that clients of this host have had */
	__u8 pad;
	__u32 client_isn; /* as the packet has it: less than a window above it, if it is not the first ACK */
	__u32 accept_queue_len;
	__u32 accept_queue_max;
};

_Static_assert(sizeof(struct event_overflow) == 80, "event_overflow");
_Static_assert(sizeof(struct event_header) == 8, "event_header");
_Static_assert(sizeof(struct event_handshake) == 120, "event_handshake");
_Static_assert(sizeof(struct event_listener) == 208, "event_listener");

#endif
