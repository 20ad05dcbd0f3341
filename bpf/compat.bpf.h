/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What differs between kernels, asked of BTF and never of the version. */
#ifndef TCPSHAKE_COMPAT_BPF_H
#define TCPSHAKE_COMPAT_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* 6.7 (614e8316aa4c "tcp: add support for usec resolution in TCP TS values"). */
static __always_inline bool uses_usec_timestamps(struct tcp_sock *tp)
{
	return bpf_core_field_exists(tp->tcp_usec_ts) && BPF_CORE_READ_BITFIELD(tp, tcp_usec_ts);
}

/* As if the kernel had no such reason. */
const volatile __u8 overflow_reason_refused __weak = 0;

/* 6.15: tcp_check_req() names the drop of a final ACK for a full accept queue. */
static __always_inline bool has_overflow_reason(void)
{
	return !overflow_reason_refused &&
	       bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_TCP_LISTEN_OVERFLOW);
}

/* Its third argument, a reason: 6.10, and from then on it fires without a full socket as well. */
typedef void (*btf_trace_tcp_send_reset___v3)(void *, const struct sock *, const struct sk_buff *,
					      enum sk_rst_reason);

static __always_inline bool send_reset_has_reason(void)
{
	return bpf_core_type_exists(btf_trace_tcp_send_reset___v3);
}

/*
 * Can a softirq run a tracepoint's program that it interrupted on its CPU? Not since 05b24ff9b2cf "bpf:
 * Prevent bpf program recursion for raw tracepoint probes" (2022), which BTF does not show. What came
 * later does: 68ca5d4eebb8 "bpf: support BPF cookie in raw tracepoint (raw_tp, tp_btf) programs" (2024).
 */
static __always_inline bool programs_nest(void)
{
	return !bpf_core_field_exists(((struct bpf_raw_tp_link *)0)->cookie);
}

/* Its third argument, an error: from 6.17. */
typedef void (*btf_trace_tcp_retransmit_skb___v3)(void *, const struct sock *,
						  const struct sk_buff *, int);

static __always_inline bool retransmit_has_error(void)
{
	return bpf_core_type_exists(btf_trace_tcp_retransmit_skb___v3);
}

/* CONFIG_CGROUPS; older kernels kept a tagged word instead (until 8520e224f547). */
static __always_inline __u64 socket_cgroup_id(struct sock *sk)
{
	if (!bpf_core_field_exists(sk->sk_cgrp_data.cgroup))
		return 0;
	return BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
}

/* The same of a socket from tcp_socket(), without a call for each pointer. */
static __always_inline __u64 tcp_cgroup_id(struct tcp_sock *tp)
{
	struct sock *sk = &tp->inet_conn.icsk_inet.sk;

	if (!bpf_core_field_exists(sk->sk_cgrp_data.cgroup))
		return 0;
	return tp->inet_conn.icsk_inet.sk.sk_cgrp_data.cgroup->kn->id;
}

/* 6.13 (90ee6ed776c0 "fs: port files to file_ref"): of 64 bits, and below 0 once nobody refers to it. */
struct file___ref {
	file_ref_t f_ref;
} __attribute__((preserve_access_index));

/* Does nothing refer to it any more, so that the kernel is closing it? */
static __always_inline bool file_is_closing(struct file *file)
{
	struct file___ref *newer = (struct file___ref *)file;

	if (bpf_core_field_exists(newer->f_ref))
		return BPF_CORE_READ(newer, f_ref.refcnt.counter) < 0;
	return BPF_CORE_READ(file, f_count.counter) == 0;
}

/* 6.2 (a35b9af4ec2c "bpf: Add a kfunc for generic type cast"); for tp/ programs since 6.12. */
extern void *bpf_rdonly_cast(const void *obj, __u32 type) __ksym __weak;

/* Numbers of types: what the programs are relocated by is not all of the kernel's BTF. */
const volatile __u32 sock_type __weak = 0, tcp_sock_type __weak = 0;

/* Can a task be preempted inside of a program? Else only softirqs come in between, which begin no handshake. */
const volatile __u8 tasks_preempted __weak = 0;
/* How many programs of takeover.bpf.h there are; 0: nobody needs marks. */
const volatile __u8 takeovers __weak = 0;

/* Numbers of counters, of the enum LINUX_MIB_…, which has no name by which a relocation could find it, and TCP_MIB_…, IPSTATS_MIB_…. */
const volatile __u32 mib_listen_overflows __weak = 0, mib_listen_drops __weak = 0, mib_reqq_full_drop __weak = 0;
const volatile __u32 mib_out_rsts __weak = 0, mib_out_no_routes __weak = 0;

/* arm64's (35d0e6fb4d21 "arm64: syscallno is secretly an int, make it official"). */
struct pt_regs___arm64 {
	__u64 regs[31];
	__u64 pstate;
	__u64 orig_x0;
	__s32 syscallno;
} __attribute__((preserve_access_index));

#define PSR_MODE32_BIT 0x10 /* arm64: the caller runs 32-bit code */
#define TS_COMPAT 0x2 /* x86: the call is one of the 32-bit ABI's, which has other numbers */

/* On x86 the current task knows by which ABI (37a8f7c38339 "x86/asm: Move 'status' from thread_struct to thread_info"). */
static __always_inline bool is_compat_call(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	return BPF_CORE_READ(task, thread_info.status) & TS_COMPAT;
}

/*
 * Do these registers enter accept() or accept4()? Elsewhere than on x86-64 and arm64 nothing relocates, and the kernel
 * refuses the program.
 */
static __always_inline bool is_accept(struct pt_regs *regs)
{
	struct pt_regs___arm64 *arm64 = (struct pt_regs___arm64 *)regs;

	if (bpf_core_field_exists(arm64->syscallno))
		return (arm64->syscallno == 202 || arm64->syscallno == 242) &&
		       !(arm64->pstate & PSR_MODE32_BIT);
	return (regs->orig_ax == 43 || regs->orig_ax == 288) && !is_compat_call();
}

/* The same of connect(). */
static __always_inline bool is_connect(struct pt_regs *regs)
{
	struct pt_regs___arm64 *arm64 = (struct pt_regs___arm64 *)regs;

	if (bpf_core_field_exists(arm64->syscallno))
		return arm64->syscallno == 203 && !(arm64->pstate & PSR_MODE32_BIT);
	return regs->orig_ax == 42 && !is_compat_call();
}

/* Its arguments, as it is entered. */
static __always_inline __u64 first_argument(struct pt_regs *regs)
{
	struct pt_regs___arm64 *arm64 = (struct pt_regs___arm64 *)regs;

	return bpf_core_field_exists(arm64->syscallno) ? arm64->orig_x0 : regs->di;
}

static __always_inline __u64 second_argument(struct pt_regs *regs)
{
	struct pt_regs___arm64 *arm64 = (struct pt_regs___arm64 *)regs;

	return bpf_core_field_exists(arm64->syscallno) ? arm64->regs[1] : regs->si;
}

/* Does the verifier know a socket by its type, or is that only said, as in a classic tracepoint? */
enum socket_type { TYPE_KNOWN, TYPE_CAST };

/* NULL for a socket that is not IPPROTO_TCP's. */
static __always_inline struct tcp_sock *tcp_socket(struct sock *sk, enum socket_type type)
{
	if (type == TYPE_KNOWN)
		return bpf_skc_to_tcp_sock(sk);
	if (sk->sk_protocol != IPPROTO_TCP)
		return NULL;
	return bpf_rdonly_cast(sk, tcp_sock_type);
}

#endif
