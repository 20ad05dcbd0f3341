/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel side counts, whatever becomes of the stream. */
#ifndef TCPSHAKE_COUNTERS_H
#define TCPSHAKE_COUNTERS_H

#include "event.h"

/*
 * One per CPU, only ever added to. For each kind: seen = delivered + filtered + limited + ring_full,
 * of which `delivered`, what nearly all are, is not counted but the rest; and `seen` is counted before
 * what became of it, and stands behind it here, so that who reads both meanwhile finds no less.
 */
struct counters {
	__u64 filtered[EVENT_KINDS];
	__u64 limited[EVENT_KINDS];
	__u64 ring_full[EVENT_KINDS];
	__u64 handshakes[ROLES][OUTCOMES]; /* every one seen */
	__u64 resets[DIRECTIONS][RESET_CAUSES]; /* the same */
	__u64 request_resets; /* received for a request in the SYN queue: RESET_PEER, not in `resets` */
	__u64 events[EVENT_KINDS]; /* seen of the other kinds */
	__u64 retransmits[SEGMENTS]; /* failed sends included, where they are reported */
	__u64 closes[ROLES + 1][FIRSTS][HOWS]; /* connections that ended */
	__u64 closing[CLOSE_STATES]; /* that are in such a state: also subtracted from, so that only the sum means anything */
	__u64 time_waits[ROLES + 1]; /* of those that ended: the kernel keeps a stub */
	__u64 lifetime_map_full; /* connections whose beginning could not be kept */
	__u64 attempt_map_full; /* active attempts whose beginning could not be kept */
	__u64 request_map_full; /* SYN-ACK retransmits that could not be kept */
	__u64 listener_map_full; /* listeners whose queues are not watched */
	__u64 depth_map_full[LISTENER_QUEUES]; /* connections and requests that are in no distribution of depths */
	__u64 wait_map_full; /* connections that are in none of waits */
	__u64 connects_limited; /* calls of connect() that failed at once, of which too many did: no cause rests on one */
	__u64 connect_map_full; /* calls of connect() that could not be kept, and may have failed */
	__u64 unproving; /* of `limited`: what a cause may rest on */
	__u64 stale; /* beginnings whose end was never seen, reclaimed */
	__u64 unwoken; /* bytes since the reader was woken from here; about, and not only added to */
};

/* Segments that this host threw away, by reason: one per CPU and reason, whatever becomes of the stream. */
struct drop_counts {
	__u64 segments[DROP_SEGMENTS][DROP_DIRECTIONS];
};

/* What the audit holds against the kernel's own counters, by namespace (key: __u32 inode). */
struct namespace_counts {
	__u64 begun; /* CLOSE -> SYN_SENT */
	__u64 decided; /* … of which it shows whether the kernel counts them: their SYN was sent again, or they are over */
	__u64 unsent; /* … and left again without a SYN, which the kernel counts for no opening */
	__u64 may_wait; /* begun with TCP_FASTOPEN_CONNECT: an opening from when the SYN leaves */
	__u64 waited; /* … and over */
	__u64 unbegun; /* … of which connect() was not seen */
	__u64 accepted; /* SYN_RECV -> ESTABLISHED of children */
	__u64 failed; /* SYN_SENT or SYN_RECV -> CLOSE with an error, which counts AttemptFails */
	__u64 resets; /* RSTs sent */
	__u64 request_resets; /* RSTs received for a request in the SYN queue, or bad SYNs */
	__u64 aborts; /* RSTs sent for tcp_abort_on_overflow */
	__u64 retransmits; /* of SYNs, whether they could be sent or not */
	__u64 synacks; /* retransmitted */
	__u64 timeouts; /* of SYNs, by the retransmission timer */
	__u64 cookies; /* connections made of a SYN cookie */
};

#define NAMESPACE_SLOTS 256

/* Where namespaces are counted that the array has room for. */
struct namespace_slot {
	__u64 netns; /* whose it is; 0: nobody's */
	struct namespace_counts counts;
};

static inline __u32 namespace_slot(__u32 netns)
{
	return netns % NAMESPACE_SLOTS; /* numbers are given out in order */
}

/* The key in `namespaces` of what takeover.bpf.h counts: real numbers are at least 0xf0000000. */
static inline __u32 netns_apart(__u32 netns)
{
	return netns ^ 0x80000000U;
}

#endif
