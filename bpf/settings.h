/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the daemon asks of the programs: constants set before they are loaded, and what may change after. */
#ifndef TCPSHAKE_SETTINGS_H
#define TCPSHAKE_SETTINGS_H

#include "event.h"

/* Which handshakes go into the stream; the counters do not depend on it. */
struct stream_filter {
	__u64 slow_ns; /* latency at least this; 0: any, unknown latencies too */
	__u64 cgroup_id; /* as it was at the start: struct settings may hold a newer one */
	__u32 outcomes; /* 1 << enum outcome; 0: all */
	__u8 roles; /* 1 << enum role; 0: all */
	__u8 by_port; /* only ports in the bitmap, local or remote */
	__u8 by_remote; /* only remote addresses in the trie */
	__u8 by_cgroup; /* only of the cgroup in struct settings and what is below it */
	__u32 unwanted; /* 1 << enum event_kind: not at all; handshakes, resets and accepts only */
	__u32 netns; /* only of this namespace; 0: any */
	__u32 max_rate; /* handshakes a second; 0: any number */
	/* Records of each kind a second; 0: any number. Of handshakes: passive ones that failed, which the daemon limits. */
	__u32 most[EVENT_KINDS];
	__u32 cgroup_level; /* how deep that cgroup is; 0: the root */
};

/* What may change while programs run. */
struct settings {
	__u64 cgroup_id; /* that the filter asks for: what is at its path may be removed and made anew */
	__u8 acks_by_function; /* refused_ack.bpf.c reports refused final ACKs, so the tracepoints must not */
	__u8 resets_by_function; /* reset_answer.bpf.c: … and RSTs without a full socket */
	__u8 acks_by_drop; /* the reason of its drop reports a refused final ACK */
	__u8 look; /* the number of the running look, or of the last one */
	__u8 accept_by; /* the enum call_evidence that is reported; CALL_UNSEEN: nothing sees accept(), or is only tried */
	__u8 connect_by; /* the same of a connect() that fails at once */
	__u8 closes_taken_over; /* close_takeover.bpf.c is attached, so the other leaves it marks */
	__u8 pad;
};

#define PORT_BITMAP_BYTES 8192

#endif
