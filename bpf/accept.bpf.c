// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * accept() and how long a connection waited for it: by the function all of them come to, where
 * functions can be hooked, or by the exits of the two system calls, which io_uring does not use.
 * Without tracefs there are no tracepoints of single calls, but one of all calls (docs/decisions/0011).
 * An object of its own, loaded when asked for: a refusal costs nothing else.
 */
#include "caller.bpf.h"
#include "counters.h"
#include "listener.bpf.h"
#include "socket.bpf.h"
#include "stream.bpf.h"
#include "waiting.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Is there such a listener, or one at such a port? */
static __always_inline bool queue_is_known(__u64 queue, struct service_key service)
{
	struct listener_key listener = { queue };

	return queue_is_service(queue) ? bpf_map_lookup_elem(&services, &service) != NULL :
					 bpf_map_lookup_elem(&listeners, &listener) != NULL;
}

static __always_inline struct latency *wait_of(__u64 queue, struct service_key service, struct counters *c)
{
	struct queue_key key = { queue };
	struct latency *l = bpf_map_lookup_elem(&accept_waits, &key);

	if (l || !queue_is_known(queue, service))
		return l;
	bpf_map_update_elem(&accept_waits, &key, &no_wait, BPF_NOEXIST);
	l = bpf_map_lookup_elem(&accept_waits, &key);
	if (!l)
		count(c->wait_map_full);
	return l;
}

/* accept() takes it: how long it waited, which is counted. NS_UNKNOWN: nobody saw the end of its handshake. */
static __noinline int take_wait(struct sock *sk, struct counters *c, struct event_accept *e)
{
	struct service_key service = service_of(e->header.netns, BPF_CORE_READ(sk, __sk_common.skc_num),
						BPF_CORE_READ(sk, __sk_common.skc_family));
	__u64 socket = (__u64)sk, queue = service_queue(service), bucket;
	struct waiter *waiter = bpf_map_lookup_elem(&waiting, &socket);
	struct latency *l;

	e->wait_ns = NS_UNKNOWN;
	if (BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_SYN_RECV) {
		e->wait_ns = 0; /* Fast Open: taken before the handshake was complete */
	} else if (waiter) {
		/* Another CPU may have stored it after this one read the clock. */
		e->wait_ns = e->mono_ns > waiter->since_ns ? e->mono_ns - waiter->since_ns : 0;
		queue = waiter->queue;
		bpf_map_delete_elem(&waiting, &socket);
	}
	l = e->wait_ns == NS_UNKNOWN ? NULL : wait_of(queue, service, c);
	if (!l)
		return 0;
	bucket = latency_bucket(e->wait_ns);
	barrier_var(bucket);
	if (bucket >= LATENCY_BUCKETS)
		return 0;
	count(l->bucket[bucket]);
	__sync_fetch_and_add(&l->sum_ns, e->wait_ns);
	return 0;
}

static __noinline int accepted(struct sock *sk, enum call_evidence evidence)
{
	struct counters *c = this_cpu_counters();
	struct inet_sock *inet = (struct inet_sock *)sk;
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	struct event_accept e = {};

	if (!sk || !c || accept_by() != evidence || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	e.header.kind = EVENT_ACCEPT;
	e.header.len = sizeof(e);
	e.header.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	e.mono_ns = bpf_ktime_get_ns();
	take_wait(sk, c, &e);
	if (filter.unwanted & (1 << EVENT_ACCEPT))
		return 0; /* only the distribution is */
	e.cgroup_id = socket_cgroup_id(sk);
	store_probed_addresses(sk, e.local_addr, e.remote_addr);
	e.local_port = bpf_ntohs(BPF_CORE_READ(inet, inet_sport));
	e.remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	e.client_isn = BPF_CORE_READ(tp, rcv_nxt) - (__u32)BPF_CORE_READ(tp, bytes_received) - 1;
	store_caller(&e.pid, &e.uid, e.comm);
	e.evidence = evidence;
	count(c->events[EVENT_ACCEPT]);
	if (within_limit(c, EVENT_ACCEPT, true))
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
	return accepted((struct sock *)taken, CALL_BY_FUNCTION);
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
	return accepted(BPF_CORE_READ(socket, sk), CALL_BY_SYSCALL);
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
