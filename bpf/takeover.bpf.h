/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * State changes that the program in handshake.bpf.c or classic.bpf.c was not run for: the kernel does not
 * run a program on a CPU on which it runs already. A softirq that interrupts it in a task may bring many.
 *
 * Attached after that one, these programs are called for each change right behind it. They take over what
 * is not marked as done, and count in memory of their own, by locked additions: they may have interrupted
 * the other in the midst of an addition.
 */
#ifndef TCPSHAKE_TAKEOVER_BPF_H
#define TCPSHAKE_TAKEOVER_BPF_H

#define COUNTS_APART 1
#include "maps.h"
#include "state.bpf.h"

/* A mark is for the programs behind, so the last one removes it. `place`: 1, the next one's 2. */
static __always_inline bool is_last(int place)
{
	return place == takeovers;
}

static __always_inline bool begun_already(struct sock *sk, int place)
{
	struct attempt *a = attempt_find((__u64)sk, IN_SLOTS);
	bool begun = a && a->fresh;

	if (begun && is_last(place))
		a->fresh = 0; /* what comes at this address later is another attempt */
	return begun;
}

/* An attempt that is over leaves its place in the table; what leaves SYN_RECV, a mark. */
static __always_inline bool ended_already(struct sock *sk, int oldstate, int place)
{
	return oldstate == TCP_SYN_RECV ? child_ended(sk, is_last(place)) : !attempt_find((__u64)sk, IN_SLOTS);
}

static __always_inline void take_over_listener(struct sock *sk, enum listener_event event)
{
	struct listener_key key = { (__u64)sk };
	bool known = bpf_map_lookup_elem(&listeners, &key);

	if (known == (event == LISTENER_CLOSED))
		listener_changed(sk, event);
}

static __always_inline void take_over_end(struct sock *sk, int oldstate, int newstate, int place)
{
	handshake_changed(sk, oldstate, newstate, IN_SLOTS, TYPE_KNOWN);
	if (oldstate == TCP_SYN_RECV && is_last(place))
		child_ended(sk, true); /* by its own mark */
}

static __always_inline int take_over(struct sock *sk, int oldstate, int newstate, int place)
{
	if (oldstate == TCP_SYN_SENT || oldstate == TCP_SYN_RECV) {
		if (!ended_already(sk, oldstate, place))
			take_over_end(sk, oldstate, newstate, place);
	} else if (newstate == TCP_SYN_RECV && oldstate == TCP_LISTEN) {
		child_begins(sk); /* again, if the other one has been here */
	} else if (tasks_preempted) { /* elsewhere the other one misses nothing that tasks do */
		if (newstate == TCP_SYN_SENT && !begun_already(sk, place))
			handshake_begins(sk, IN_SLOTS, TYPE_KNOWN);
		else if (newstate == TCP_LISTEN && oldstate == TCP_CLOSE)
			take_over_listener(sk, LISTENER_OPENED);
		else if (oldstate == TCP_LISTEN && newstate == TCP_CLOSE)
			take_over_listener(sk, LISTENER_CLOSED);
	}
	return 0;
}

#endif
