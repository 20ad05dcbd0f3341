/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Did a packet that was dropped end a request in the SYN queue? The kernel counts EmbryonicRsts for
 * it, on the CPU that drops the packet right after: so each CPU's counter is remembered.
 *
 * No packet proves it. Up to 6.18 tcp_check_req() takes any RST in the window; a 7.2 kernel takes one
 * that is exactly next and answers others with an ACK (RFC 5961 3.2), and drops both for one reason.
 */
#ifndef TCPSHAKE_EMBRYONIC_BPF_H
#define TCPSHAKE_EMBRYONIC_BPF_H

#include "counters.h"
#include "stream.bpf.h"

/* include/uapi/linux/snmp.h: the fourth of its list ever since; that enum has no name to look it up by. */
#define LINUX_MIB_EMBRYONICRSTS 4

/* One CPU's counter of a namespace, as it was when it was last looked at. */
struct embryonic {
	__u64 net_cookie; /* a namespace's number may be another's by now */
	__u64 counted;
};

/* Not forgotten with a namespace, whose next listener may be there already: its number is used again. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32); /* the namespace's inode */
	__type(value, struct embryonic);
} embryonics SEC(".maps") __weak;

const volatile __u32 possible_cpus __weak = 0;

/* `copy`: where a CPU keeps its struct counters, for how far its data are from their per-CPU pointers. */
static __always_inline __u64 embryonic_counted(struct net *net, struct counters *copy)
{
	struct linux_mib *mib = BPF_CORE_READ(net, mib.net_statistics);
	__u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value),
			      (unsigned long *)((__u64)mib + per_cpu_offset(&counters, copy)) +
				      LINUX_MIB_EMBRYONICRSTS);
	return value;
}

/* Remember the counters of all CPUs, before a request of this namespace can end. */
static __noinline int embryonic_open(struct net *net, __u32 netns)
{
	struct embryonic fresh = {}, *e = bpf_map_lookup_elem(&embryonics, &netns);
	__u32 zero = 0;

	if (!has_overflow_reason())
		return 0;
	fresh.net_cookie = BPF_CORE_READ(net, net_cookie);
	if (e && e->net_cookie == fresh.net_cookie)
		return 0;
	bpf_map_update_elem(&embryonics, &netns, &fresh, BPF_NOEXIST);
	for (__u32 cpu = 0; cpu < possible_cpus; cpu++) {
		struct counters *copy = bpf_map_lookup_percpu_elem(&counters, &zero, cpu);

		e = bpf_map_lookup_percpu_elem(&embryonics, &netns, cpu);
		if (!e || !copy)
			return 0;
		e->counted = embryonic_counted(net, copy);
		e->net_cookie = fresh.net_cookie;
	}
	return 0;
}

/* Has this CPU counted one since it was last asked? Not known the first time it is. */
static __always_inline bool embryonic_moved(struct net *net, __u32 netns)
{
	struct embryonic *e = bpf_map_lookup_elem(&embryonics, &netns);
	struct counters *copy = this_cpu_counters();
	__u64 counted, before;

	if (!e || e->net_cookie != BPF_CORE_READ(net, net_cookie) || !copy) {
		embryonic_open(net, netns);
		return false;
	}
	before = e->counted;
	counted = embryonic_counted(net, copy);
	e->counted = counted;
	return counted != before;
}

#endif
