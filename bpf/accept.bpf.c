// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * accept() and how long a connection waited for it: by the function all of them come to, where
 * functions can be hooked, or by the exits of the two system calls, which io_uring does not use.
 * Without tracefs there are no tracepoints of single calls, but one of all calls (docs/decisions/0011).
 * An object of its own, loaded when asked for: a refusal costs nothing else.
 */
#include "caller.bpf.h"
#include "counters.h"
#include "socket.bpf.h"
#include "stream.bpf.h"
#include "waiting.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __noinline int accepted(struct sock *sk, enum accept_evidence evidence)
{
	struct counters *c = this_cpu_counters();
	struct inet_sock *inet = (struct inet_sock *)sk;
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	struct event_accept e = {};
	__u64 socket = (__u64)sk, *since;

	if (!sk || !c || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	e.header.kind = EVENT_ACCEPT;
	e.header.len = sizeof(e);
	e.header.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	e.mono_ns = bpf_ktime_get_ns();
	e.wait_ns = NS_UNKNOWN;
	e.cgroup_id = socket_cgroup_id(sk);
	since = bpf_map_lookup_elem(&waiting, &socket);
	if (BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_SYN_RECV) {
		e.wait_ns = 0; /* Fast Open: taken before the handshake was complete */
	} else if (since) {
		e.wait_ns = e.mono_ns - *since;
		bpf_map_delete_elem(&waiting, &socket);
	}
	store_probed_addresses(sk, e.local_addr, e.remote_addr);
	e.local_port = bpf_ntohs(BPF_CORE_READ(inet, inet_sport));
	e.remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	e.client_isn = BPF_CORE_READ(tp, rcv_nxt) - (__u32)BPF_CORE_READ(tp, bytes_received) - 1;
	store_caller(&e.pid, &e.uid, e.comm);
	e.evidence = evidence;
	count(c->events[EVENT_ACCEPT]);
	deliver(c, &e, sizeof(e), EVENT_ACCEPT);
	return 0;
}

/*
 * The return value stands behind the arguments: two, or four before 6.10. The two loads must not
 * be merged into one with a variable offset, which the verifier forbids on a context.
 */
SEC("fexit/inet_csk_accept")
int accept_function(__u64 *ctx)
{
	__u64 taken;

	if (bpf_core_type_exists(struct proto_accept_arg))
		asm volatile("%0 = *(u64 *)(%1 + 16)" : "=r"(taken) : "r"(ctx));
	else
		asm volatile("%0 = *(u64 *)(%1 + 32)" : "=r"(taken) : "r"(ctx));
	return accepted((struct sock *)taken, ACCEPT_FUNCTION);
}

static __always_inline int accept_exit(long fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct file **files = BPF_CORE_READ(task, files, fdt, fd);
	struct socket *socket;
	struct file *file = NULL;

	if (fd < 0)
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	socket = BPF_CORE_READ(file, private_data);
	return accepted(BPF_CORE_READ(socket, sk), ACCEPT_SYSCALL);
}

/* struct trace_event_raw_sys_exit: the common part, the call's number, what it returns. */
SEC("tp/syscalls/sys_exit_accept")
int accept_syscall(long *ctx)
{
	return accept_exit(ctx[2]);
}

SEC("tp/syscalls/sys_exit_accept4")
int accept4_syscall(long *ctx)
{
	return accept_exit(ctx[2]);
}

/* The arguments: the caller's registers, what the call returns. */
SEC("?tp_btf/sys_exit") /* loaded only if the daemon chooses it */
int syscall_exit(__u64 *ctx)
{
	return is_accept((struct pt_regs *)ctx[0]) ? accept_exit((long)ctx[1]) : 0;
}
