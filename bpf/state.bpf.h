/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a change of a TCP socket's state means: a handshake or a listener begins or ends. */
#ifndef TCPSHAKE_STATE_BPF_H
#define TCPSHAKE_STATE_BPF_H

#include "active.bpf.h"
#include "asked.bpf.h"
#include "caller.bpf.h"
#include "child.bpf.h"
#include "client.bpf.h"
#include "connect.bpf.h"
#include "counters.h"
#include "fin_wait.bpf.h"
#include "listener.bpf.h"
#include "passive.bpf.h"

/* A listener without a file is the kernel's own (NFS's), although a process made the kernel open it. */
static __always_inline void store_who(struct event_listener *e)
{
	if (e->event == LISTENER_OPENED && !e->inode) {
		store_kernel(&e->pid, &e->uid, e->comm);
		return;
	}
	store_caller(&e->pid, &e->uid, e->comm);
	store_origin(e, (struct task_struct *)bpf_get_current_task());
}

static __noinline void listener_changed(struct sock *sk, enum listener_event event)
{
	struct counters *c = this_cpu_counters();
	struct event_listener e = {};

	if (!c || sk->sk_protocol != IPPROTO_TCP)
		return;
	store_listener(&e, sk);
	e.event = event;
	store_who(&e);
	if (event == LISTENER_OPENED)
		store_asked(&e, sk);
	if (event == LISTENER_OPENED)
		listener_watch(&e, sk->__sk_common.skc_family);
	else
		listener_forget(&e);
	count(c->events[EVENT_LISTENER]);
	if (within_limit(c, EVENT_LISTENER, true))
		deliver(c, &e, sizeof(e), EVENT_LISTENER);
}

static __always_inline void listener_opened(struct sock *sk)
{
	struct net *net = BPF_CORE_READ(sk, __sk_common.skc_net.net);

	embryonic_open(net, BPF_CORE_READ(net, ns.inum));
	listener_changed(sk, LISTENER_OPENED);
}

/*
 * A socket in SYN_RECV with a file is in a simultaneous open, unless it is a Fast Open child that
 * was accepted early: then there is no attempt for it.
 */
static __always_inline bool is_active(struct sock *sk, struct tcp_sock *tp, int oldstate, enum attempts_in place)
{
	return oldstate == TCP_SYN_SENT ||
	       (tp->inet_conn.icsk_inet.sk.sk_socket && attempt_find((__u64)sk, place));
}

/*
 * Each has a frame of its own: that of what ends a handshake is as large as the verifier of 6.1 takes. And
 * each table has its function, for 5.10 refuses a program with the atomics of the other.
 */
static __noinline int begin_in_slots(struct sock *sk, struct tcp_sock *tp)
{
	active_begin(sk, tp, IN_SLOTS);
	return 0;
}

static __noinline int begin_in_hash(struct sock *sk, struct tcp_sock *tp)
{
	active_begin(sk, tp, IN_HASH);
	return 0;
}

static __always_inline bool is_mapped(const struct in6_addr *addr)
{
	return !addr->in6_u.u6_addr32[0] && !addr->in6_u.u6_addr32[1] &&
	       addr->in6_u.u6_addr32[2] == bpf_htonl(0xffff);
}

/* A socket is in SYN_SENT: its address is known. Of IPv4 over IPv6 it is only in the IPv4 socket's place yet. */
static __noinline int client_begins(struct tcp_sock *tp)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;
	struct client_key key = {};
	__u8 known = 1;

	if (!bpf_core_field_exists(sk->__sk_common.skc_v6_daddr) || sk->__sk_common.skc_family == AF_INET ||
	    is_mapped(&sk->__sk_common.skc_v6_daddr))
		store_mapped(key.addr, sk->__sk_common.skc_rcv_saddr);
	else
		store_ipv6(key.addr, &sk->__sk_common.skc_v6_rcv_saddr);
	if (!bpf_map_lookup_elem(&clients, &key))
		bpf_map_update_elem(&clients, &key, &known, BPF_ANY);
	connect_begins();
	return 0;
}

/* Into SYN_SENT. Not of an MPTCP socket, whose subflows have events of their own. */
static __always_inline void handshake_begins(struct sock *sk, enum attempts_in place, enum socket_type type)
{
	struct tcp_sock *tp = tcp_socket(sk, type);

	if (!tp)
		return;
	client_begins(tp);
	place == IN_SLOTS ? begin_in_slots(sk, tp) : begin_in_hash(sk, tp);
}

/* Out of SYN_SENT or SYN_RECV. */
static __always_inline void handshake_changed(struct sock *sk, int oldstate, int newstate, enum attempts_in place,
					      enum socket_type type)
{
	struct tcp_sock *tp = tcp_socket(sk, type);

	if (oldstate == TCP_SYN_RECV && takeovers)
		child_ends(sk);
	if (!tp)
		return;
	if (oldstate == TCP_SYN_SENT && newstate == TCP_SYN_RECV)
		active_crossed(sk, place);
	else if (is_active(sk, tp, oldstate, place))
		active_end(sk, tp, newstate, place);
	else
		passive_end(sk, tp, newstate);
}

static __always_inline void connection_closed(struct sock *sk, int oldstate)
{
	fin_wait_closed(sk, oldstate);
	waiting_end(sk);
}

/*
 * Called for every state change of every TCP socket, six times a connection on loopback, so it
 * decides by the two states before it reads anything.
 */
static __always_inline int state_changed(struct sock *sk, int oldstate, int newstate, enum attempts_in place,
					 enum socket_type type)
{
	if (newstate == TCP_SYN_SENT)
		handshake_begins(sk, place, type);
	else if (oldstate == TCP_SYN_SENT || oldstate == TCP_SYN_RECV)
		handshake_changed(sk, oldstate, newstate, place, type);
	else if (newstate == TCP_SYN_RECV && oldstate == TCP_LISTEN)
		child_begins(sk);
	else if (newstate == TCP_LISTEN && oldstate == TCP_CLOSE)
		listener_opened(sk);
	else if (oldstate == TCP_LISTEN && newstate == TCP_CLOSE)
		listener_changed(sk, LISTENER_CLOSED);
	else if (newstate == TCP_CLOSE)
		connection_closed(sk, oldstate);
	return 0;
}

#endif
