// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * connect() that fails before its socket leaves CLOSE: no route, or it is not allowed. By the functions that it comes to, where
 * functions can be hooked, which show who refused it; or by the system call, which shows its error. Without tracefs there are
 * no tracepoints of single calls, but those of all calls (docs/decisions/0011).
 * An object of its own, loaded when asked for: a refusal costs nothing else.
 */
#include "caller.bpf.h"
#include "connect.bpf.h"
#include "counters.h"
#include "outcome.h"
#include "socket.bpf.h"
#include "stream.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define ENDS_AT 24 /* of struct sockaddr_in6, which may end there (RFC 2133) */

/* As connect() gets it: of IPv4 the first 16 bytes. */
struct destination {
	__u16 family;
	__be16 port;
	__u32 words[ENDS_AT / 4 - 1];
};

static __always_inline void count_error(__u32 error, const char *comm)
{
	struct connect_error_key key = { .error = error };
	__u64 one = 1, *known;

	__builtin_memcpy(key.comm, comm, sizeof(key.comm));
	known = bpf_map_lookup_elem(&connect_errors, &key);
	if (!known && bpf_map_update_elem(&connect_errors, &key, &one, BPF_NOEXIST) == 0)
		return;
	if (!known)
		known = bpf_map_lookup_elem(&connect_errors, &key); /* another CPU was first */
	if (!known) {
		__builtin_memset(&key, 0, sizeof(key));
		known = bpf_map_lookup_elem(&connect_errors, &key);
	}
	if (known)
		__sync_fetch_and_add(known, 1);
}

static __always_inline bool is_ipv4(const __u32 *address)
{
	return !address[0] && !address[1] && address[2] == bpf_htonl(0xffff);
}

static __always_inline void store_destination(struct event_handshake *e, const struct destination *to)
{
	__u32 *word = (__u32 *)e->remote_addr;

	e->remote_port = bpf_ntohs(to->port);
	if (to->family == AF_INET) {
		store_mapped(e->remote_addr, to->words[0]);
		return;
	}
	word[0] = to->words[1]; /* behind the flow label */
	word[1] = to->words[2];
	word[2] = to->words[3];
	word[3] = to->words[4];
}

/* What it is bound to: nothing, for most. Behind the destination: an address of the other family is none to it. */
static __always_inline void store_source(struct event_handshake *e, struct sock *sk, const struct destination *to)
{
	bool ipv4 = is_ipv4((const __u32 *)e->remote_addr);

	e->local_port = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	if (to->family == AF_INET)
		store_mapped(e->local_addr, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
	else if (bpf_core_field_exists(sk->__sk_common.skc_v6_rcv_saddr))
		bpf_core_read(e->local_addr, sizeof(e->local_addr), &sk->__sk_common.skc_v6_rcv_saddr);
	if (ipv4 == is_ipv4((const __u32 *)e->local_addr))
		return;
	__builtin_memset(e->local_addr, 0, sizeof(e->local_addr));
	if (ipv4)
		store_mapped(e->local_addr, 0);
}

/* tcp_v6_connect() lets no such socket connect to an address of IPv4. */
static __always_inline bool refused_by_socket(struct sock *sk, const struct event_handshake *e, const struct destination *to)
{
	return to->family == AF_INET6 && e->error == ERR_ENETUNREACH && is_ipv4((const __u32 *)e->remote_addr) &&
	       BPF_CORE_READ_BITFIELD_PROBED(sk, __sk_common.skc_ipv6only);
}

static __always_inline bool is_tcp(struct sock *sk)
{
	__u16 protocol = BPF_CORE_READ(sk, sk_protocol);

	return protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP;
}

/* With a frame of its own. The socket is in CLOSE. */
static __noinline int report_failed(struct sock *sk, const struct destination *to, __u32 error, __u32 refused_by)
{
	struct counters *c = this_cpu_counters();
	struct event_handshake e = {};

	if (!c || !to || !is_tcp(sk) || BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_CLOSE)
		return 0;
	if (to->family != AF_INET && to->family != AF_INET6)
		return 0;
	e.header.kind = EVENT_HANDSHAKE;
	e.header.len = sizeof(e);
	e.header.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	e.end_ns = bpf_ktime_get_ns();
	e.latency_ns = e.rtt_ns = NS_UNKNOWN;
	e.cgroup_id = bpf_get_current_cgroup_id();
	store_destination(&e, to);
	store_source(&e, sk, to);
	e.role = ROLE_ACTIVE;
	e.outcome = at_once_outcome((int)error);
	e.flags = HANDSHAKE_AT_ONCE | (current_elsewhere() ? HANDSHAKE_ELSEWHERE : 0);
	e.error = (__u8)error;
	e.refused_by = (__u8)refused_by;
	if ((refused_by == REFUSED_BY_ROUTING || refused_by == REFUSED_SOMEWHERE) && refused_by_socket(sk, &e, to))
		e.refused_by = REFUSED_BY_SOCKET;
	store_caller(&e.caller.pid, &e.caller.uid, e.caller.comm);
	count_error(error, e.caller.comm);
	emit_handshake_within(&e, filter.most[EVENT_HANDSHAKE]);
	return 0;
}

static __always_inline bool is_unconnected(struct socket *socket)
{
	return BPF_CORE_READ(socket, state) == SS_UNCONNECTED;
}

static __always_inline int begin_call(__u64 address, __u64 file)
{
	struct connect_call call = { .address = address, .file = file };
	__u64 thread = bpf_get_current_pid_tgid();
	struct counters *c;

	if (bpf_map_update_elem(&connect_calls, &thread, &call, BPF_ANY)) {
		c = this_cpu_counters();
		if (c)
			count(c->connect_map_full);
	}
	return 0;
}

/* The call is over: what is known of it, if it failed for what is reported. */
static __always_inline bool end_call(long result, struct connect_call *call)
{
	struct connect_call *kept = connect_current();
	__u64 thread = bpf_get_current_pid_tgid();
	bool failed = kept && !kept->began && at_once_outcome((int)-result) != OUTCOMES;

	if (!kept)
		return false;
	*call = *kept;
	bpf_map_delete_elem(&connect_calls, &thread);
	return failed;
}

/* ---- by functions ---- */

static __always_inline int report_kernels(struct socket *socket, __u64 address, long result, enum refused_by by)
{
	struct destination to = {};
	struct sock *sk = BPF_CORE_READ(socket, sk);

	/* The buffer is as long as any address. */
	if (!sk || bpf_probe_read_kernel(&to, sizeof(to), (void *)address))
		return 0;
	if (by == REFUSED_BY_CGROUP && to.family == AF_INET6 && !tcp6_seen)
		by = REFUSED_SOMEWHERE; /* TCP may have */
	report_failed(sk, &to, (__u32)-result, by);
	return 0;
}

/* struct socket *, struct sockaddr *, int; its result. */
SEC("fexit/security_socket_connect")
int connect_security(__u64 *ctx)
{
	int result = (int)ctx[3];

	if (result >= 0 || connect_by() != CALL_BY_FUNCTION || at_once_outcome(-result) == OUTCOMES)
		return 0;
	return is_unconnected((struct socket *)ctx[0]) ?
		       report_kernels((struct socket *)ctx[0], ctx[1], result, REFUSED_BY_SECURITY) : 0;
}

/* struct socket *, struct sockaddr *, int, int; its result. */
SEC("fentry/inet_stream_connect")
int connect_enter(__u64 *ctx)
{
	if (connect_by() != CALL_BY_FUNCTION || !is_unconnected((struct socket *)ctx[0]))
		return 0;
	return begin_call(ctx[1], ctx[0]);
}

/* What it took, it sends: the socket is in SYN_SENT, whether or not its change of state was seen. */
static __always_inline int came_to_tcp(int result)
{
	struct connect_call *call = connect_current();

	if (!call)
		return 0;
	if (result < 0)
		call->routed = 1;
	else
		call->began = 1;
	return 0;
}

/* struct sock *, struct sockaddr *, int; its result. */
SEC("fexit/tcp_v4_connect")
int connect_v4(__u64 *ctx)
{
	return came_to_tcp((int)ctx[3]);
}

SEC("fexit/tcp_v6_connect")
int connect_v6(__u64 *ctx)
{
	return came_to_tcp((int)ctx[3]);
}

SEC("fexit/inet_stream_connect")
int connect_exit(__u64 *ctx)
{
	struct connect_call call;
	int result = (int)ctx[4];

	if (connect_by() != CALL_BY_FUNCTION || !end_call(result, &call))
		return 0;
	return report_kernels((struct socket *)call.file, call.address, result,
			      call.routed ? REFUSED_BY_ROUTING : REFUSED_BY_CGROUP);
}

/* ---- by the system call ---- */

/* NULL if the descriptor is none of a socket. */
static __always_inline struct socket *socket_at(__u32 fd)
{
	const unsigned short type_mask = 0170000, type_socket = 0140000;
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files, *file = NULL;

	if (fd >= (__u32)BPF_CORE_READ(table, max_fds))
		return NULL;
	files = BPF_CORE_READ(table, fd);
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & type_mask) != type_socket)
		return NULL;
	return BPF_CORE_READ(file, private_data);
}

static __always_inline int call_enters(__u32 fd, __u64 address)
{
	struct socket *socket;

	if (connect_by() != CALL_BY_SYSCALL)
		return 0;
	socket = socket_at(fd);
	return socket && is_unconnected(socket) ? begin_call(address, fd) : 0;
}

static __always_inline int call_exits(long result)
{
	struct destination to = {};
	struct connect_call call;
	struct socket *socket;
	struct sock *sk;
	struct counters *c;

	if (connect_by() != CALL_BY_SYSCALL || !end_call(result, &call))
		return 0;
	socket = socket_at((__u32)call.file);
	sk = socket ? BPF_CORE_READ(socket, sk) : NULL;
	if (!sk)
		return 0; /* another thread has closed it meanwhile */
	/* Of IPv4 no more may be there. The kernel has just read it. */
	if (bpf_probe_read_user(&to, sizeof(to), (void *)call.address) &&
	    (bpf_probe_read_user(&to, 16, (void *)call.address) || to.family != AF_INET)) {
		c = this_cpu_counters();
		if (c)
			count(c->connect_map_full);
		return 0;
	}
	return report_failed(sk, &to, (__u32)-result, REFUSED_SOMEWHERE);
}

/* struct trace_event_raw_sys_enter: the common part, the call's number, its arguments. */
SEC("tp/syscalls/sys_enter_connect")
int connect_syscall_enter(long *ctx)
{
	return call_enters((__u32)ctx[2], (__u64)ctx[3]);
}

/* struct trace_event_raw_sys_exit: the common part, the call's number, what it returns. */
SEC("tp/syscalls/sys_exit_connect")
int connect_syscall_exit(long *ctx)
{
	return call_exits(ctx[2]);
}

/* The caller's registers, the call's number. */
SEC("?tp_btf/sys_enter") /* loaded only if the daemon chooses it */
int connect_any_enter(__u64 *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx[0];

	return is_connect(regs) ? call_enters((__u32)first_argument(regs), second_argument(regs)) : 0;
}

/* The caller's registers, what the call returns. */
SEC("?tp_btf/sys_exit")
int connect_any_exit(__u64 *ctx)
{
	return is_connect((struct pt_regs *)ctx[0]) ? call_exits((long)ctx[1]) : 0;
}
