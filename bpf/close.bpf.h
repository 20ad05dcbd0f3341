/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How connections end: what is known of one is kept by its socket's address, from its beginning on, and reported as it
 * goes to CLOSE. Of a connection that was there before, only what is seen from then on.
 */
#ifndef TCPSHAKE_CLOSE_BPF_H
#define TCPSHAKE_CLOSE_BPF_H

#include "caller.bpf.h"
#include "lifetime.bpf.h"
#include "counters.h"
#include "outcome.h"
#include "settings.bpf.h"
#include "socket.bpf.h"
#include "stream.bpf.h"
#include "timewait.bpf.h"

#define SHUT_ALL 3 /* SHUTDOWN_MASK */

/*
 * Which of the programs this is. The kernel does not run a program on a CPU on which it runs already, so a softirq's changes pass the
 * first one if they interrupt it in a task. Where that is so, another is called behind it, and takes over what the first has not seen.
 */
enum close_place {
	CLOSE_FIRST, /* it leaves its mark: the state, also of a connection that is over */
	CLOSE_SECOND, /* it removes that, and has the last word where the table has no room for one */
	CLOSE_ALONE,
};

static const struct lifetime unseen = {
	.spent_ns = { NS_UNKNOWN, NS_UNKNOWN, NS_UNKNOWN, NS_UNKNOWN, NS_UNKNOWN },
	.port = { .role = ROLE_UNKNOWN },
	.first = FIRST_UNKNOWN,
	.slot = NO_SLOT,
};

static __always_inline struct lifetime *life_of(struct sock *sk)
{
	__u64 socket = (__u64)sk;

	return bpf_map_lookup_elem(&lifetimes, &socket);
}

/* False if there is no room. */
static __always_inline bool connection_keep(struct sock *sk, const struct lifetime *life)
{
	__u64 socket = (__u64)sk;

	return !bpf_map_update_elem(&lifetimes, &socket, life, BPF_ANY);
}

static __always_inline void connection_forget(struct sock *sk)
{
	__u64 socket = (__u64)sk;

	bpf_map_delete_elem(&lifetimes, &socket);
}

static __always_inline __u32 spent_in(int state)
{
	switch (state) {
	case TCP_FIN_WAIT1:
		return SPENT_FIN_WAIT1;
	case TCP_FIN_WAIT2:
		return SPENT_FIN_WAIT2;
	case TCP_CLOSING:
		return SPENT_CLOSING;
	case TCP_CLOSE_WAIT:
		return SPENT_CLOSE_WAIT;
	case TCP_LAST_ACK:
		return SPENT_LAST_ACK;
	}
	return CLOSE_STATES;
}

/* Where a port's connections are counted, or those of all ports that have no slot of their own. LATENCY_SLOT() is its number. */
static __always_inline __u32 close_slot(const struct latency_key *port)
{
	__u32 *slot;

	if (!latency_shards || port->role >= ROLES)
		return NO_SLOT;
	slot = bpf_map_lookup_elem(&latency_slots, port);
	return slot ? *slot : port->role;
}

/* How many are in each state. */
static __always_inline void count_closing(__u64 state, __u32 slot, __s64 change)
{
	struct counters *c = this_cpu_counters();
	struct close_port *port = NULL;
	__u32 number = LATENCY_SLOT(slot);

	if (slot != NO_SLOT)
		port = bpf_map_lookup_elem(&close_ports, &number);
	barrier_var(state);
	if (!c || state >= CLOSE_STATES)
		return;
	__sync_fetch_and_add(&c->closing[state], change);
	if (port)
		__sync_fetch_and_add(&port->closing[state], change);
}

/* The state that is kept of a connection, and where that is counted. */
static __noinline int enter_state(struct lifetime *life, int state)
{
	__u64 counted = spent_in(state);

	life->state = state;
	if (counted == CLOSE_STATES)
		return 0;
	life->slot = close_slot(&life->port);
	count_closing(counted, life->slot, 1);
	return 0;
}

/* If its port has lost that slot since then, what was counted there is among the ports without one (latencies.c). */
static __noinline int leave_state(struct lifetime *life)
{
	__u64 counted = spent_in(life->state);
	__u32 slot = life->slot;

	life->state = TCP_CLOSE;
	if (counted == CLOSE_STATES)
		return 0;
	if (slot != close_slot(&life->port))
		slot = life->port.role;
	count_closing(counted, slot, -1);
	return 0;
}

/* ---- its beginning ---- */

static __noinline int connection_asked(struct sock *sk)
{
	struct lifetime fresh = unseen, *known = life_of(sk);

	if (known) /* whose end was missed */
		leave_state(known);
	fresh.port.role = ROLE_ACTIVE;
	fresh.state = TCP_SYN_SENT;
	store_caller(&fresh.pid, &fresh.uid, fresh.comm);
	connection_keep(sk, &fresh);
	return 0;
}

/* As the record of the handshake has it: of both SYNs, if they crossed. */
static __always_inline __u32 isn_of(struct tcp_sock *tp, __u8 role, bool crossed)
{
	__u32 own = tp->snd_una - (__u32)tp->bytes_acked;
	__u32 peers = tp->rcv_nxt - (__u32)tp->bytes_received - 1;

	return crossed ? own ^ peers : role == ROLE_ACTIVE ? own : peers;
}

/* The key of its port's slot, as latency_slot() has it. */
static __always_inline void store_port(struct latency_key *port, struct tcp_sock *tp)
{
	bool active = port->role == ROLE_ACTIVE;

	port->netns = active ? 0 : socket_netns(tp);
	port->port = bpf_ntohs(active ? tp->inet_conn.icsk_inet.sk.__sk_common.skc_dport : tp->inet_conn.icsk_inet.inet_sport);
}

/*
 * By its file: __fput() closes a socket that nothing refers to any more. Its own fields do not show it: shutdown() of both directions
 * sets the same sk_shutdown, and tcp_close() makes it an orphan only behind this change of state. A subflow's file is that of
 * its MPTCP connection, which may go on without it. A thread of the kernel has sockets with files, too: NFS's.
 */
static __always_inline enum close_call call_of(struct sock *sk)
{
	struct file *file = BPF_CORE_READ(sk, sk_socket, file);

	if (!file || is_subflow(sk) || (sk->sk_lock.owned && is_kernel()))
		return CLOSE_CALL_NONE;
	return file_is_closing(file) ? CLOSE_CALL_CLOSE : CLOSE_CALL_SHUTDOWN;
}

/* shutdown() before the ACK of a Fast Open child takes effect as that comes, in a softirq, whose current process is any. */
static __always_inline void note_closer(struct lifetime *life, struct sock *sk)
{
	if (life->call == CLOSE_CALL_NONE)
		life->call = call_of(sk);
	if (sk->sk_lock.owned && !is_kernel())
		store_caller(&life->pid, &life->uid, life->comm);
}

/* Into ESTABLISHED; or a child of Fast Open before its ACK came: into FIN_WAIT1 by close(), or, as tcp_fin() has it, CLOSE_WAIT. */
static __noinline int connection_begins(struct sock *sk, struct tcp_sock *tp, int oldstate, int newstate, enum close_place place)
{
	struct lifetime fresh = unseen, *known = life_of(sk);
	struct counters *c = this_cpu_counters();
	__u64 now = bpf_ktime_get_ns();

	/* Another's may have had this address. */
	if (known && known->port.role == ROLE_ACTIVE && known->state == oldstate)
		fresh = *known;
	else
		fresh.port.role = oldstate == TCP_SYN_SENT ? ROLE_ACTIVE : ROLE_PASSIVE;
	if (known)
		leave_state(known);
	store_port(&fresh.port, tp);
	if (newstate == TCP_ESTABLISHED)
		fresh.begin_ns = now;
	else
		fresh.first = newstate == TCP_FIN_WAIT1 ? FIRST_LOCAL : FIRST_REMOTE;
	if (newstate == TCP_FIN_WAIT1)
		note_closer(&fresh, sk);
	fresh.entered_ns = now;
	fresh.client_isn = isn_of(tp, fresh.port.role, fresh.crossed);
	enter_state(&fresh, newstate);
	if (connection_keep(sk, &fresh))
		return 0;
	leave_state(&fresh);
	if (c && place != CLOSE_FIRST)
		count(c->lifetime_map_full);
	return 0;
}

static __always_inline void connection_crosses(struct sock *sk)
{
	struct lifetime *life = life_of(sk);

	if (!life)
		return;
	life->crossed = 1;
	life->state = TCP_SYN_RECV;
}

/* ---- on its way to the end ---- */

/* What one change of state was not seen for, stays unknown. */
static __always_inline void state_left(struct lifetime *life, int oldstate, int newstate, __u64 now)
{
	__u64 spent = spent_in(oldstate); /* of 64 bits: before 6.2 a copy of 32 bits loses the bounds of its original */

	barrier_var(spent);
	if (spent < CLOSE_STATES && life->state == oldstate && life->entered_ns &&
	    now >= life->entered_ns)
		life->spent_ns[spent] = now - life->entered_ns;
	leave_state(life);
	enter_state(life, newstate);
	life->entered_ns = now;
}

/* Has its FIN left, and all before it? */
static __always_inline bool is_sent(struct tcp_sock *tp)
{
	return tp->snd_nxt == tp->write_seq;
}

static __always_inline void note_first(struct lifetime *life, struct tcp_sock *tp, int oldstate, int newstate)
{
	if (oldstate == TCP_ESTABLISHED)
		life->first = newstate == TCP_FIN_WAIT1 ? FIRST_LOCAL : FIRST_REMOTE;
	else if (newstate == TCP_CLOSING && life->first == FIRST_LOCAL)
		life->first = is_sent(tp) ? FIRST_BOTH : FIRST_REMOTE;
}

/* By close() or shutdown(), or by a segment that came. */
static __noinline int connection_closes(struct sock *sk, struct tcp_sock *tp, int oldstate, int newstate)
{
	struct lifetime *life = life_of(sk), fresh = unseen;

	if (!life) {
		if (oldstate != TCP_ESTABLISHED)
			return 0;
		connection_keep(sk, &fresh);
		life = life_of(sk);
		if (!life)
			return 0;
	}
	note_first(life, tp, oldstate, newstate);
	state_left(life, oldstate, newstate, bpf_ktime_get_ns());
	if (newstate == TCP_FIN_WAIT1 || newstate == TCP_LAST_ACK)
		note_closer(life, sk);
	return 0;
}

/* ---- its end ---- */

/* Right before a socket goes to CLOSE, tcp_reset() sets one of these, for a RST that came. */
static __always_inline bool is_reset_by_peer(int error, int oldstate)
{
	return error == ERR_ECONNRESET || (error == ERR_EPIPE && oldstate == TCP_CLOSE_WAIT);
}

/*
 * No error, or one that was there before: the local application has left its connection, and the kernel sends a RST,
 * unless both FINs are acknowledged.
 */
static __always_inline __u8 how_left(struct sock *sk, struct tcp_sock *tp, int oldstate, int stub)
{
	bool fin_came = sk->__sk_common.skc_flags & (1UL << bpf_core_enum_value(enum sock_flags, SOCK_DONE));

	switch (oldstate) {
	case TCP_LAST_ACK:
	case TCP_CLOSING:
		return tp->snd_una == tp->write_seq ? HOW_FIN : HOW_RESET;
	case TCP_FIN_WAIT2:
		return fin_came || stub == STUB_UNKNOWN || stubs_are_full(sk->__sk_common.skc_net.net) ? HOW_FIN : HOW_RESET;
	}
	return HOW_RESET;
}

static __always_inline __u8 how_ended(struct sock *sk, struct tcp_sock *tp, int oldstate, int stub)
{
	int error = sk->sk_err;

	if (stub > 0)
		return HOW_FIN;
	if (is_reset_by_peer(error, oldstate) || error == ERR_ECONNABORTED)
		return HOW_RESET;
	/* What the retransmission or the keepalive timer gave up has this error, or what an ICMP message said. */
	if (error == ERR_ETIMEDOUT || (error && !sk->sk_lock.owned))
		return HOW_TIMEOUT;
	return how_left(sk, tp, oldstate, stub);
}

static __always_inline void note_end(struct event_close *e, struct sock *sk, struct tcp_sock *tp, int oldstate)
{
	int stub = oldstate == TCP_FIN_WAIT2 || oldstate == TCP_CLOSING ? stub_state(sk) : 0;
	bool by_peer = is_reset_by_peer(sk->sk_err, oldstate);

	e->how = how_ended(sk, tp, oldstate, stub);
	if (e->how == HOW_FIN) {
		e->rest = stub == TCP_TIME_WAIT ? REST_TIME_WAIT : stub ? REST_UNKNOWN : REST_NOTHING;
		if (stub == TCP_FIN_WAIT2 || (stub == STUB_UNKNOWN && oldstate == TCP_FIN_WAIT2))
			e->spent_ns[SPENT_FIN_WAIT2] = NS_UNKNOWN; /* it may be in that state yet */
		return;
	}
	e->rest = REST_NOTHING;
	if (oldstate == TCP_ESTABLISHED)
		e->first = e->how == HOW_TIMEOUT ? FIRST_NOBODY : by_peer ? FIRST_REMOTE : FIRST_LOCAL;
	else if (oldstate == TCP_FIN_WAIT1 && e->first == FIRST_LOCAL && !is_sent(tp))
		e->first = e->how == HOW_TIMEOUT ? FIRST_NOBODY : by_peer ? FIRST_REMOTE : FIRST_LOCAL;
}

/* The application's own deed, in its process. */
static __always_inline bool is_left(const struct event_close *e, struct sock *sk, int oldstate)
{
	return e->how == HOW_RESET && !is_reset_by_peer(sk->sk_err, oldstate) && sk->sk_lock.owned && !is_kernel();
}

/* `time`: enum close_time, or enum close_how; the same of a port is `port_time`. What is in no such state is in no histogram of it. */
static __noinline int close_time_add(__u64 time, __u64 role, __u64 port_time, __u32 slot, __u64 ns)
{
	__u32 index = time * (ROLES + 1) + role, number = LATENCY_SLOT(slot);
	struct latency *l = bpf_map_lookup_elem(&close_times, &index);
	struct close_port *port = bpf_map_lookup_elem(&close_ports, &number);
	__u64 bucket;

	if (!l || ns == NS_UNKNOWN)
		return 0;
	bucket = latency_bucket(ns);
	barrier_var(bucket);
	if (bucket >= LATENCY_BUCKETS)
		return 0;
	count(l->bucket[bucket]);
	__sync_fetch_and_add(&l->sum_ns, ns);
	if (!port || port_time >= PORT_TIMES)
		return 0;
	bucket >>= LATENCY_SUB_BITS;
	barrier_var(bucket);
	if (bucket >= PORT_BUCKETS)
		return 0;
	count(port->spread[port_time].bucket[bucket]);
	__sync_fetch_and_add(&port->spread[port_time].sum_ns, ns);
	return 0;
}

/* Whatever becomes of the record. */
static __always_inline void count_close(struct counters *c, const struct event_close *e, const struct latency_key *port)
{
	__u32 slot;

	if (e->role <= ROLE_UNKNOWN && e->first < FIRSTS && e->how < HOWS)
		count(c->closes[e->role][e->first][e->how]);
	count(c->events[EVENT_CLOSE]);
	if (e->role <= ROLE_UNKNOWN && e->rest != REST_NOTHING)
		count(c->time_waits[e->role]);
	if (!latency_shards)
		return;
	slot = close_slot(port);
	close_time_add(e->how, e->role, PORT_DURATION, slot, e->duration_ns);
	close_time_add(TIME_CLOSE_WAIT, e->role, PORT_CLOSE_WAIT, slot, e->spent_ns[SPENT_CLOSE_WAIT]);
	close_time_add(TIME_FIN_WAIT2, e->role, PORT_FIN_WAIT2, slot, e->spent_ns[SPENT_FIN_WAIT2]);
	close_time_add(TIME_LAST_ACK, e->role, PORT_LAST_ACK, slot, e->spent_ns[SPENT_LAST_ACK]);
}

static __always_inline void store_life(struct event_close *e, const struct lifetime *life)
{
	e->duration_ns = life->begin_ns ? e->mono_ns - life->begin_ns : NS_UNKNOWN;
	__builtin_memcpy(e->spent_ns, life->spent_ns, sizeof(e->spent_ns));
	e->client_isn = life->client_isn;
	e->pid = life->pid;
	e->uid = life->uid;
	__builtin_memcpy(e->comm, life->comm, sizeof(e->comm));
	e->role = life->port.role;
	e->first = life->first;
	e->call = life->call;
}

static __always_inline bool close_wanted(struct counters *c, const struct event_close *e, struct sock *sk)
{
	return within_limit(c, EVENT_CLOSE,
			    (!filter.netns || filter.netns == e->header.netns) && !socket_elsewhere(sk) &&
				    ends_wanted(e->local_port, e->remote_port, e->remote_addr));
}

/* False: there is no room for the mark, so the second program sees to it. `life`: NULL if nothing was known of it. */
static __always_inline bool connection_over(struct sock *sk, const struct lifetime *life, enum close_place place)
{
	static const struct lifetime over = { .port = { .role = ROLE_UNKNOWN }, .slot = NO_SLOT, .state = TCP_CLOSE };

	if (place == CLOSE_FIRST)
		return life || connection_keep(sk, &over);
	if (life)
		connection_forget(sk);
	return true;
}

static __noinline int connection_ends(struct sock *sk, struct tcp_sock *tp, int oldstate, enum close_place place)
{
	struct lifetime *life = life_of(sk);
	struct latency_key port = life ? life->port : unseen.port;
	struct counters *c = this_cpu_counters();
	struct event_close e = { .mono_ns = bpf_ktime_get_ns() };

	if (!c)
		return 0;
	if (life)
		state_left(life, oldstate, TCP_CLOSE, e.mono_ns);
	store_life(&e, life ? life : &unseen);
	if (!connection_over(sk, life, place))
		return 0;
	if (BPF_CORE_READ_BITFIELD(tp, repair))
		return 0; /* it goes on elsewhere */
	note_end(&e, sk, tp, oldstate);
	count_close(c, &e, &port);
	e.header.netns = socket_netns(tp);
	store_addresses(sk, e.local_addr, e.remote_addr);
	e.local_port = bpf_ntohs(tp->inet_conn.icsk_inet.inet_sport);
	e.remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	if (!close_wanted(c, &e, sk))
		return 0;
	e.cgroup_id = tcp_cgroup_id(tp);
	if (is_left(&e, sk, oldstate)) {
		store_caller(&e.pid, &e.uid, e.comm);
		/* Else it was connect(AF_UNSPEC), for which there is a descriptor. */
		if (e.call == CLOSE_CALL_NONE && call_of(sk) == CLOSE_CALL_CLOSE)
			e.call = CLOSE_CALL_CLOSE;
	}
	e.header.kind = EVENT_CLOSE;
	e.header.len = sizeof(e);
	deliver(c, &e, sizeof(e), EVENT_CLOSE);
	return 0;
}

/* The handshake failed, which is no end of a connection. What is counted is of another, whose end was missed. */
static __noinline int connection_fails(struct sock *sk)
{
	struct lifetime *known = life_of(sk);

	if (!known)
		return 0;
	leave_state(known);
	connection_forget(sk);
	return 0;
}

/* ---- changes of state ---- */

static __always_inline bool in_handshake_state(int state)
{
	return state == TCP_SYN_SENT || state == TCP_SYN_RECV;
}

/* No connection, or none yet. */
static __always_inline bool is_none(int oldstate, int newstate)
{
	return newstate == TCP_LISTEN || oldstate == TCP_LISTEN;
}

/* By the first program's mark. */
static __always_inline bool seen_already(struct sock *sk, int newstate)
{
	struct lifetime *life = life_of(sk);

	if (!life || life->state != newstate)
		return false;
	if (newstate == TCP_CLOSE)
		connection_forget(sk);
	return true;
}

static __always_inline int close_changed(struct sock *sk, int oldstate, int newstate, enum socket_type type, enum close_place place)
{
	struct tcp_sock *tp;

	if (is_none(oldstate, newstate) || (place == CLOSE_SECOND && seen_already(sk, newstate)))
		return 0;
	tp = tcp_socket(sk, type);
	if (!tp)
		return 0;
	if (newstate == TCP_SYN_SENT)
		connection_asked(sk);
	else if (oldstate == TCP_SYN_SENT && newstate == TCP_SYN_RECV)
		connection_crosses(sk);
	else if (newstate == TCP_CLOSE && in_handshake_state(oldstate))
		connection_fails(sk);
	else if (newstate == TCP_CLOSE)
		connection_ends(sk, tp, oldstate, place);
	else if (in_handshake_state(oldstate))
		connection_begins(sk, tp, oldstate, newstate, place);
	else
		connection_closes(sk, tp, oldstate, newstate);
	return 0;
}

#endif
