/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Calls of connect() under way, where --connect-errors asks which fail before their sockets leave CLOSE. Nothing else shows
 * those: they never come to SYN_SENT.
 */
#ifndef TCPSHAKE_CONNECT_BPF_H
#define TCPSHAKE_CONNECT_BPF_H

#include "compat.bpf.h"
#include "event.h"
#include "maps.h"

/* By the thread that makes it. */
struct connect_call {
	__u64 address; /* where it put what to connect to */
	__u64 file; /* number of its descriptor, or its struct socket */
	__u8 began; /* its socket went into SYN_SENT */
	__u8 routed; /* TCP refused it */
	__u8 pad[6];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1); /* until --connect-errors asks */
	__type(key, __u64);
	__type(value, struct connect_call);
} connect_calls SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, CONNECT_ERRORS_MAX);
	__type(key, struct connect_error_key);
	__type(value, __u64);
} connect_errors SEC(".maps") __weak;

const volatile __u8 connects_watched __weak = 0;
const volatile __u8 tcp6_seen __weak = 0; /* connect_v6 is loaded */

static __always_inline struct connect_call *connect_current(void)
{
	__u64 thread = bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&connect_calls, &thread);
}

/* A socket goes into SYN_SENT, which it does inside of the call. */
static __always_inline void connect_begins(void)
{
	struct connect_call *call = connects_watched ? connect_current() : NULL;

	if (call)
		call->began = 1;
}

#endif
