/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The process that made a system call: its name is that of its first thread, as everywhere else. */
#ifndef TCPSHAKE_CALLER_BPF_H
#define TCPSHAKE_CALLER_BPF_H

#include "compat.bpf.h"
#include "event.h"

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */
#define SIGNAL_UNKILLABLE 0x40 /* include/linux/sched/signal.h: the first process of a pid namespace */

/* 5.11 (3ca1032ab7ab "bpf: Add bpf_get_current_task_btf() helper"). */
enum bpf_func_id___btf {
	BPF_FUNC_get_current_task_btf___btf = 158,
};

static __always_inline bool has_current_task_btf(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id___btf, BPF_FUNC_get_current_task_btf___btf);
}

/* A socket of the kernel's own, NFS's or one that joins an MPTCP connection: no process is behind it. */
static __always_inline bool is_kernel(void)
{
	struct task_struct *task;

	if (has_current_task_btf())
		return bpf_get_current_task_btf()->flags & PF_KTHREAD;
	task = (struct task_struct *)bpf_get_current_task();
	return BPF_CORE_READ(task, flags) & PF_KTHREAD;
}

static __always_inline void store_name(char *comm)
{
	struct task_struct *task, *leader;

	if (has_current_task_btf()) {
		bpf_probe_read_kernel(comm, COMM_LEN, bpf_get_current_task_btf()->group_leader->comm);
		return;
	}
	task = (struct task_struct *)bpf_get_current_task();
	leader = BPF_CORE_READ(task, group_leader);
	bpf_core_read(comm, COMM_LEN, &leader->comm);
}

/* The kernel is process 2, of which all of its threads are children. `comm` has COMM_LEN bytes. */
static __always_inline void store_kernel(__u32 *pid, __u32 *uid, char *comm)
{
	*pid = KERNEL_PID;
	*uid = 0;
	__builtin_memcpy(comm, "kthreadd\0\0\0\0\0\0\0", COMM_LEN);
}

static __always_inline void store_caller(__u32 *pid, __u32 *uid, char *comm)
{
	if (is_kernel()) {
		store_kernel(pid, uid, comm);
		return;
	}
	*pid = bpf_get_current_pid_tgid() >> 32;
	*uid = (__u32)bpf_get_current_uid_gid();
	store_name(comm);
}

/* What distinguishes a process from one that gets its number later, and an init from what it starts. */
static __always_inline void store_origin(struct event_listener *e, struct task_struct *task)
{
	if (BPF_CORE_READ(task, flags) & PF_KTHREAD)
		return;
	e->start = BPF_CORE_READ(task, group_leader, start_boottime) / PROCESS_TICK_NS;
	e->init = (BPF_CORE_READ(task, signal, flags) & SIGNAL_UNKILLABLE) != 0;
}

#endif
