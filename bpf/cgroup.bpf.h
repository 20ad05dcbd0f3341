/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is a cgroup the one asked for, or below it? Each knows its ancestors by their level, so that one look
 * decides, however deep it is; and a cgroup that is gone still knows them.
 */
#ifndef TCPSHAKE_CGROUP_BPF_H
#define TCPSHAKE_CGROUP_BPF_H

#include "compat.bpf.h"
#include "event.h"
#include "settings.bpf.h"
#include "settings.h"

const volatile struct stream_filter filter __weak = {};

/* Until 6.1 (7f203bc89eb6 "cgroup: Replace cgroup->ancestor_ids[] with ->ancestors[]"). */
struct cgroup___ids {
	__u64 ancestor_ids[1];
};

static __noinline bool cgroup_within(struct cgroup *cgroup)
{
	struct cgroup___ids *old = (struct cgroup___ids *)cgroup;
	__u32 level = filter.cgroup_level;
	struct cgroup *ancestor = NULL;
	const struct settings *s = settings_now();
	__u64 id = 0;

	if (!cgroup || (__u32)BPF_CORE_READ(cgroup, level) < level)
		return false;
	if (bpf_core_field_exists(cgroup->ancestors)) {
		bpf_probe_read_kernel(&ancestor, sizeof(ancestor),
				      __builtin_preserve_access_index(&cgroup->ancestors[0]) + level);
		id = BPF_CORE_READ(ancestor, kn, id);
	} else if (bpf_core_field_exists(old->ancestor_ids)) {
		bpf_probe_read_kernel(&id, sizeof(id),
				      __builtin_preserve_access_index(&old->ancestor_ids[0]) + level);
	}
	return s && id && id == s->cgroup_id;
}

/* Not what the filter asks for? Both are false, and cost nothing, without such a filter. */
static __always_inline bool current_elsewhere(void)
{
	struct task_struct *task;

	if (!filter.by_cgroup)
		return false;
	task = (struct task_struct *)bpf_get_current_task();
	return !cgroup_within(BPF_CORE_READ(task, cgroups, dfl_cgrp));
}

/* A full socket's: that of the process that made it, or that made its listener. */
static __always_inline bool socket_elsewhere(struct sock *sk)
{
	if (!filter.by_cgroup)
		return false;
	if (!bpf_core_field_exists(sk->sk_cgrp_data.cgroup))
		return true;
	return !cgroup_within(BPF_CORE_READ(sk, sk_cgrp_data.cgroup));
}

#endif
