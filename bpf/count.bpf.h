/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How counters are added to. */
#ifndef TCPSHAKE_COUNT_BPF_H
#define TCPSHAKE_COUNT_BPF_H

#include "compat.bpf.h"

/* 1 in an object that counts in memory of its own: takeover.bpf.h. */
#ifndef COUNTS_APART
#define COUNTS_APART 0
#endif

/* By several programs, of which a softirq's may interrupt a task's on its CPU; or by several CPUs. */
#define count(counter) __sync_fetch_and_add(&(counter), 1)

/*
 * On its CPU by one program only. Others may interrupt that, but it does not interrupt itself: nobody
 * else adds to it in between, and the addition needs no lock, which takes longer than most of the rest.
 */
static __always_inline void add_alone(__u64 *counter, __u64 more)
{
	if (COUNTS_APART || programs_nest())
		__sync_fetch_and_add(counter, more);
	else
		*(volatile __u64 *)counter += more;
}

#define count_alone(counter) add_alone(&(counter), 1)

#endif
