/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What listen() was given, as a socket enters LISTEN: its program runs within the system call, whose arguments the kernel
 * keeps in the caller's registers at the top of its stack.
 */
#ifndef TCPSHAKE_ASKED_BPF_H
#define TCPSHAKE_ASKED_BPF_H

#include "caller.bpf.h"
#include "compat.bpf.h"
#include "event.h"
#include "socket.bpf.h"

/* 5.15 (dd6e10fbd9fb "bpf: Add bpf_task_pt_regs() helper"). */
enum bpf_func_id___regs {
	BPF_FUNC_task_pt_regs___regs = 175,
};

#define KERNEL_STACK 16384 /* of x86-64, and of arm64 with pages of 4 KiB, without KASAN */

#define X86_LISTEN 50
#define ARM64_LISTEN 201
#define ENOSYS 38

struct listen_call {
	int fd;
	int backlog;
};

/*
 * The registers of the call. Kernels without the helper have nothing above them on the stack (FRED's frame came later,
 * with 6.9). What is read elsewhere by mistake does not look like a call of listen().
 */
static __always_inline struct pt_regs *caller_regs(struct task_struct *task)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id___regs, BPF_FUNC_task_pt_regs___regs))
		return (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return BPF_CORE_READ(task, stack) + KERNEL_STACK - bpf_core_type_size(struct pt_regs);
}

/*
 * Is the task within listen(), of the 64-bit ABI? The 32-bit ones have other numbers. Once the call has returned, its
 * result stands where -ENOSYS (x86) and the descriptor (arm64) were, so that io_uring's work at its end is no listen().
 */
static __always_inline bool in_listen(struct pt_regs *regs, struct task_struct *task, struct listen_call *call)
{
	struct pt_regs___arm64 *arm64 = (struct pt_regs___arm64 *)regs;

	if (bpf_core_field_exists(arm64->syscallno)) {
		call->fd = BPF_CORE_READ(arm64, regs[0]);
		call->backlog = BPF_CORE_READ(arm64, regs[1]);
		return BPF_CORE_READ(arm64, syscallno) == ARM64_LISTEN &&
		       !(BPF_CORE_READ(arm64, pstate) & PSR_MODE32_BIT);
	}
	if (!bpf_core_field_exists(regs->orig_ax))
		return false;
	call->fd = BPF_CORE_READ(regs, di);
	call->backlog = BPF_CORE_READ(regs, si);
	return BPF_CORE_READ(regs, orig_ax) == X86_LISTEN && (long)BPF_CORE_READ(regs, ax) == -ENOSYS &&
	       !(BPF_CORE_READ(task, thread_info.status) & TS_COMPAT);
}

/* Is it this socket that the call is about? A kernel's own socket (NFS) has no file. */
static __always_inline bool is_about(const struct listen_call *call, struct task_struct *task, struct sock *sk)
{
	struct file *file = BPF_CORE_READ(held_socket(sk), sk_socket, file), *named = NULL;
	struct file **files = BPF_CORE_READ(task, files, fdt, fd);

	bpf_probe_read_kernel(&named, sizeof(named), files + (__u32)call->fd);
	return file && named == file;
}

/* __sys_listen() compares as unsigned numbers: a negative backlog asks for as many as may be. */
static __noinline int store_asked(struct event_listener *e, struct sock *sk)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct listen_call call = {};
	__u32 somaxconn;

	if (!e || is_kernel() || !in_listen(caller_regs(task), task, &call) || !is_about(&call, task, sk))
		return 0;
	somaxconn = BPF_CORE_READ(sk, __sk_common.skc_net.net, core.sysctl_somaxconn);
	e->asked = call.backlog;
	e->granted = (__u32)call.backlog > somaxconn ? somaxconn : (__u32)call.backlog;
	e->asked_known = 1;
	return 0;
}

#endif
