// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A look at the queues of listeners, of all namespaces at once. The daemon writes the listeners' addresses
 * into one map, runs this program (BPF_PROG_TEST_RUN) and reads what it found in another: both maps are
 * mapped into its memory. That needs no iterator, and no kernel from 5.10 on refuses it.
 */
#include "listener.bpf.h"
#include "maps.h"
#include "settings.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LOOK_BATCH);
	__type(key, __u32);
	__type(value, struct look_request);
} look_requests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LOOK_BATCH);
	__type(key, __u32);
	__type(value, struct listener_sample);
} look_samples SEC(".maps");

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

/* What the listener and its port keep between two looks. */
static __always_inline void look_at_kept(struct listener_sample *sample, struct listener_state *state)
{
	struct service_key key = service_of(state->netns, state->local_port, state->family);
	struct service *s = bpf_map_lookup_elem(&services, &key);

	sample->accept_peak = sample->accept_len;
	if (state->accept_peak > sample->accept_len)
		sample->accept_peak = state->accept_peak;
	state->accept_peak = sample->accept_len;
	sample->syn_peak = state->syn_peak > sample->syn_len ? state->syn_peak : sample->syn_len;
	state->syn_peak = sample->syn_len;
	state->deferred = sample->deferred;
	sample->port_peak = 0;
	if (!s)
		return;
	sample->port_peak = s->accept_peak;
	s->accept_peak = 0;
	s->deferred = sample->deferred;
}

/* Is the socket still the listener that the table holds? Its memory may be another's. */
static __always_inline bool is_listener(struct sock *sk, const struct listener_state *state, __u16 local_port)
{
	return BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_LISTEN && local_port == state->local_port &&
	       BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum) == state->netns;
}

static __always_inline void look_at_queues(struct listener_sample *sample, struct listener_state *state,
					    struct sock *sk)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;
	struct net *net = BPF_CORE_READ(sk, __sk_common.skc_net.net);

	sample->accept_len = BPF_CORE_READ(sk, sk_ack_backlog);
	sample->accept_max = BPF_CORE_READ(sk, sk_max_ack_backlog);
	sample->syn_len = BPF_CORE_READ(icsk, icsk_accept_queue.qlen.counter);
	sample->syn_young = BPF_CORE_READ(icsk, icsk_accept_queue.young.counter);
	sample->drops = BPF_CORE_READ(sk, sk_drops.counter);
	sample->deferred = is_deferred(sk);
	sample->oldest_ns = oldest_waiting(icsk);
	sample->syncookies = BPF_CORE_READ(net, ipv4.sysctl_tcp_syncookies);
	sample->max_syn_backlog = BPF_CORE_READ(net, ipv4.sysctl_max_syn_backlog);
	look_at_kept(sample, state);
}

/* Did anybody join a queue of this port since the look before? */
static __always_inline bool joined_lately(__u32 netns, __u16 local_port)
{
	const struct settings *now = settings_now();
	struct joined_ports *ports;
	__u32 zero = 0;
	__u8 look;

	ports = bpf_map_lookup_elem(&joined_ports, &zero);
	if (!ports || !now)
		return true;
	look = ports->look[joined_slot(netns, local_port)];
	return look == now->look || look == (__u8)(now->look - 1);
}

/* Is it the same listener, as quiet as it was? Then its place in the table need not be looked up. */
static __always_inline bool is_quiet(const struct look_request *r)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)r->socket;
	struct sock *sk = (struct sock *)r->socket;

	return r->quiet && BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_LISTEN &&
	       BPF_CORE_READ(sk, __sk_common.skc_num) == r->local_port &&
	       BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum) == r->netns &&
	       !BPF_CORE_READ(sk, sk_ack_backlog) &&
	       BPF_CORE_READ(sk, sk_max_ack_backlog) == r->accept_max &&
	       !BPF_CORE_READ(icsk, icsk_accept_queue.qlen.counter) &&
	       (__u32)BPF_CORE_READ(sk, sk_drops.counter) == r->drops &&
	       !joined_lately(r->netns, r->local_port);
}

/* One listener: a function of its own, which the verifier takes once and not in each turn of the loop. */
__noinline int look_at(__u32 index)
{
	struct look_request *request = bpf_map_lookup_elem(&look_requests, &index);
	struct listener_sample *sample = bpf_map_lookup_elem(&look_samples, &index);
	struct listener_state *state;
	struct listener_key key = {};
	__u16 local_port;
	struct sock *sk;

	if (!request || !sample)
		return 0;
	sample->quiet = is_quiet(request);
	key.socket = request->socket;
	sample->socket = key.socket;
	if (sample->quiet)
		return 0;
	sample->socket = 0; /* nothing was found yet */
	state = bpf_map_lookup_elem(&listeners, &key);
	if (!state)
		return 0;
	sk = (struct sock *)key.socket;
	local_port = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	if (!state->local_port && local_port) { /* listen() without bind(): bound by now */
		state->local_port = local_port;
		service_watch(state);
	}
	sample->mono_ns = bpf_ktime_get_ns();
	sample->state = *state;
	sample->gone = !is_listener(sk, state, local_port);
	if (!sample->gone)
		look_at_queues(sample, state, sk);
	else if (sample->mono_ns < state->since_ns + 1000000)
		return 0; /* LISTEN may not be stored yet: its tracepoint fires before */
	sample->socket = key.socket;
	return 0;
}

/* ctx[0]: how many. */
SEC("raw_tp")
int look(__u64 *ctx)
{
	__u64 count = ctx[0];

	for (__u32 i = 0; i < LOOK_BATCH && i < count; i++)
		look_at(i);
	return 0;
}
