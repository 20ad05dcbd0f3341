/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sockets that enter and leave LISTEN, who did it, and a table of them: their queues are looked
 * at through it, all namespaces at once, without a walk over the host's connections.
 */
#ifndef TCPSHAKE_LISTENER_BPF_H
#define TCPSHAKE_LISTENER_BPF_H

#include "counters.h"
#include "depth.bpf.h"
#include "embryonic.bpf.h"
#include "maps.h"
#include "settings.h"
#include "socket.bpf.h"
#include "stream.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct listener_key);
	__type(value, struct listener_state);
} listeners SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct service_key);
	__type(value, struct service);
} services SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct joined_ports);
} joined_ports SEC(".maps") __weak;

static __always_inline struct service_key service_of(__u32 netns, __u16 local_port,
						      __u16 family)
{
	return (struct service_key){
		.netns = netns, .local_port = local_port, .family = family
	};
}

static __always_inline void store_listener(struct event_listener *e, struct sock *sk)
{
	struct inet_sock *inet = (struct inet_sock *)sk;

	e->header.kind = EVENT_LISTENER;
	e->header.len = sizeof(*e);
	e->header.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	e->mono_ns = bpf_ktime_get_ns();
	e->socket = (__u64)sk;
	e->cgroup_id = socket_cgroup_id(sk);
	e->inode = BPF_CORE_READ(held_socket(sk), sk_socket, file, f_inode, i_ino);
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET) {
		store_mapped(e->local_addr, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
	} else if (bpf_core_field_exists(sk->__sk_common.skc_v6_rcv_saddr)) {
		bpf_core_read(e->local_addr, sizeof(e->local_addr), &sk->__sk_common.skc_v6_rcv_saddr);
		e->v6only = BPF_CORE_READ_BITFIELD_PROBED(sk, __sk_common.skc_ipv6only);
	}
	e->local_port = bpf_ntohs(BPF_CORE_READ(inet, inet_sport));
	e->backlog = BPF_CORE_READ(sk, sk_max_ack_backlog);
	e->accept_len = BPF_CORE_READ(sk, sk_ack_backlog);
	e->drops = BPF_CORE_READ(sk, sk_drops.counter);
}

static __always_inline bool is_deferred(struct sock *sk)
{
	return BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_accept_queue.rskq_defer_accept);
}

static __always_inline void service_watch(const struct listener_state *state)
{
	struct service_key key = service_of(state->netns, state->local_port, state->family);
	struct service fresh = { .deferred = state->deferred };

	if (state->local_port)
		bpf_map_update_elem(&services, &key, &fresh, BPF_NOEXIST);
}

/*
 * Keep it in the table; an entry that is there is another socket's that had this address. What is
 * kept is made where the event has room for it: the stack has none for both. embryonic_open() comes before, by the
 * caller, for this stack has no room for its frame.
 */
static __always_inline void listener_watch(struct event_listener *e, __u16 family)
{
	struct listener_state *state = &e->state;
	struct listener_key key = { e->socket };
	struct sock *sk = (struct sock *)e->socket;
	struct counters *c;

	state->netns = e->header.netns;
	state->local_port = e->local_port;
	state->family = (__u8)family;
	state->since_ns = e->event == LISTENER_FOUND ? 0 : e->mono_ns; /* it listens already */
	state->deferred = is_deferred(sk) != 0;
	service_watch(state);
	if (e->event != LISTENER_FOUND)
		queue_begin(e->socket);
	if (bpf_map_update_elem(&listeners, &key, state, BPF_ANY)) {
		c = this_cpu_counters();
		if (c)
			count(c->listener_map_full);
	}
}

static __always_inline void listener_forget(struct event_listener *e)
{
	struct listener_key key = { e->socket };
	struct listener_state *state = bpf_map_lookup_elem(&listeners, &key);

	if (state)
		e->state = *state;
	bpf_map_delete_elem(&listeners, &key);
}

static __always_inline void mark_joined(__u32 netns, __u16 local_port)
{
	const struct settings *now = settings_now();
	struct joined_ports *ports;
	__u32 zero = 0;

	ports = bpf_map_lookup_elem(&joined_ports, &zero);
	if (ports && now)
		ports->look[joined_slot(netns, local_port)] = now->look;
}

/* One more joins a queue, in which `len` wait already. */
static __always_inline void queue_joined(__u32 *peak, enum overflow_queue which, __u64 queue, __u32 len, __u32 limit)
{
	if (*peak <= len)
		*peak = len + 1;
	depth_add(which, queue, len, limit);
}

/* The same of an accept queue where the listener is not known: whose queue it was is for the daemon to say, which knows all of the port. */
static __always_inline bool service_accepted(struct service_key key, __u32 len, __u32 limit)
{
	struct service *s = bpf_map_lookup_elem(&services, &key);

	if (!s)
		return false;
	queue_joined(&s->accept_peak, QUEUE_ACCEPT, service_queue(key), len, limit);
	return s->deferred;
}

/*
 * A child of this listener (0: not known) has joined its accept queue, in which `len` waited before it. True if the
 * listener has TCP_DEFER_ACCEPT.
 */
static __always_inline bool listener_accepted(__u64 socket, struct service_key key, __u32 len, __u32 limit)
{
	struct listener_key listener = { socket };
	struct listener_state *state;

	mark_joined(key.netns, key.local_port);
	if (!socket)
		return service_accepted(key, len, limit);
	state = bpf_map_lookup_elem(&listeners, &listener);
	if (!state)
		return false;
	queue_joined(&state->accept_peak, QUEUE_ACCEPT, socket, len, limit);
	return state->deferred;
}

/* A request has joined the SYN queue of this listener, in which `len` waited before it. */
static __always_inline void listener_requested(__u64 socket, __u32 len, __u32 limit)
{
	struct listener_key listener = { socket };
	struct listener_state *state = bpf_map_lookup_elem(&listeners, &listener);

	if (!state)
		return;
	mark_joined(state->netns, state->local_port);
	queue_joined(&state->syn_peak, QUEUE_SYN, socket, len, limit);
}

#endif
