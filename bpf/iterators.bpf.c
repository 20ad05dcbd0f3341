// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Every listener of every namespace: who holds it open, and how its queues are. */
#include "listener.bpf.h"

#include <bpf/bpf_tracing.h>

/* A socket's file; bpf_sock_from_file() is absent in 5.10 (4f19cab76136 came with 5.11). */
static __always_inline struct socket *socket_of(struct file *file)
{
	const unsigned short type_mask = 0170000, type_socket = 0140000;
	struct socket *socket;

	if ((BPF_CORE_READ(file, f_inode, i_mode) & type_mask) != type_socket)
		return NULL;
	socket = BPF_CORE_READ(file, private_data); /* NULL for an O_PATH descriptor */
	return socket && BPF_CORE_READ(socket, file) == file ? socket : NULL;
}

/* One record a holder. What is not in the table of listeners yet gets there. */
SEC("iter/task_file")
int listener_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task, *leader;
	struct file *file = ctx->file;
	struct event_listener e = {};
	struct listener_key key;
	struct socket *socket;
	struct sock *sk;

	if (!task || !file)
		return 0;
	socket = socket_of(file);
	if (!socket)
		return 0;
	sk = BPF_CORE_READ(socket, sk);
	if (!sk || BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_LISTEN ||
	    BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	store_listener(&e, sk);
	e.event = LISTENER_FOUND;
	e.pid = task->tgid;
	leader = task->group_leader;
	e.uid = BPF_CORE_READ(leader, cred, uid.val);
	bpf_probe_read_kernel_str(e.comm, sizeof(e.comm), leader->comm);
	key.socket = e.socket;
	if (!bpf_map_lookup_elem(&listeners, &key))
		listener_watch(&e, BPF_CORE_READ(sk, __sk_common.skc_family));
	bpf_seq_write(ctx->meta->seq, &e, sizeof(e));
	return 0;
}

/*
 * When the oldest waiting connection joined the accept queue: its SYN-ACK's departure and one
 * round trip later, or, where that is not known, the last segment that it got.
 */
static __always_inline __u64 oldest_waiting(struct inet_connection_sock *icsk)
{
	struct request_sock *head = BPF_CORE_READ(icsk, icsk_accept_queue.rskq_accept_head);
	struct tcp_request_sock *treq = (struct tcp_request_sock *)head;
	struct tcp_sock *child;
	__u64 synack_us;

	if (!head)
		return 0;
	child = (struct tcp_sock *)BPF_CORE_READ(head, sk);
	synack_us = BPF_CORE_READ(treq, snt_synack);
	if (!synack_us || BPF_CORE_READ(head, num_retrans))
		return BPF_CORE_READ(child, tcp_mstamp) * 1000;
	return (synack_us + (BPF_CORE_READ(child, srtt_us) >> 3)) * 1000;
}

static __always_inline void take_peak(struct listener_sample *sample)
{
	struct service_key key = service_of(sample->state.netns, sample->state.local_port,
					    sample->state.family);
	struct service *s = bpf_map_lookup_elem(&services, &key);

	sample->accept_peak = sample->accept_len;
	if (!s)
		return;
	if (s->accept_peak > sample->accept_len)
		sample->accept_peak = s->accept_peak;
	s->accept_peak = sample->accept_len;
}

/* A look at the queues of each listener in the table. Its memory may be another socket's now. */
SEC("iter/bpf_map_elem")
int listener_queues(struct bpf_iter__bpf_map_elem *ctx)
{
	struct listener_state *state = ctx->value;
	struct listener_key *key = ctx->key;
	struct inet_connection_sock *icsk;
	struct listener_sample sample = {};
	struct net *net;
	__u16 local_port;
	struct sock *sk;

	if (!key || !state)
		return 0;
	sk = (struct sock *)key->socket;
	icsk = (struct inet_connection_sock *)sk;
	net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	local_port = bpf_ntohs(BPF_CORE_READ(icsk, icsk_inet.inet_sport));
	if (!state->local_port && local_port) { /* listen() without bind(): bound by now */
		state->local_port = local_port;
		service_watch(state->netns, local_port, state->family);
	}
	sample.socket = key->socket;
	sample.mono_ns = bpf_ktime_get_ns();
	sample.state = *state;
	if (BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_LISTEN ||
	    BPF_CORE_READ(net, ns.inum) != state->netns || local_port != state->local_port) {
		if (sample.mono_ns < state->since_ns + 1000000)
			return 0; /* LISTEN may not be stored yet: its tracepoint fires before */
		sample.gone = 1;
	} else {
		sample.accept_len = BPF_CORE_READ(sk, sk_ack_backlog);
		sample.accept_max = BPF_CORE_READ(sk, sk_max_ack_backlog);
		sample.syn_len = BPF_CORE_READ(icsk, icsk_accept_queue.qlen.counter);
		sample.syn_young = BPF_CORE_READ(icsk, icsk_accept_queue.young.counter);
		sample.drops = BPF_CORE_READ(sk, sk_drops.counter);
		sample.deferred = BPF_CORE_READ(icsk, icsk_accept_queue.rskq_defer_accept) != 0;
		sample.oldest_ns = oldest_waiting(icsk);
		sample.syncookies = BPF_CORE_READ(net, ipv4.sysctl_tcp_syncookies);
		sample.max_syn_backlog = BPF_CORE_READ(net, ipv4.sysctl_max_syn_backlog);
		take_peak(&sample);
	}
	bpf_seq_write(ctx->meta->seq, &sample, sizeof(sample));
	return 0;
}
