/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Active handshakes: CLOSE -> SYN_SENT in the caller's context, an end in anybody's.
 *
 * What connect() knew is kept by the socket's address from the first to the last state. Most of
 * it lives in `attempt_slots`, an array indexed by a hash of the address, which the JIT inlines;
 * a socket whose slot another one holds goes to the hash `attempts`. An address can be used again
 * the moment its socket is freed: the beginning overwrites what is there for it, and a slot whose
 * holder is no longer in a handshake (its end was not seen) is taken over. Both are counted. The
 * daemon removes what stays in the hash.
 */
#ifndef TCPSHAKE_ACTIVE_BPF_H
#define TCPSHAKE_ACTIVE_BPF_H

#include "caller.bpf.h"
#include "counters.h"
#include "maps.h"
#include "neighbour.bpf.h"
#include "outcome.h"
#include "refusal.bpf.h"
#include "socket.bpf.h"
#include "stream.bpf.h"

#define ATTEMPT_SLOTS 32768

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ATTEMPT_SLOTS);
	__type(key, __u32);
	__type(value, struct attempt);
} attempt_slots SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct attempt);
} attempts SEC(".maps") __weak;

/*
 * A number made of a socket's address. The verifier forbids arithmetic on a pointer, but takes
 * the result of a 32-bit move of one for a number.
 */
static __always_inline __u32 address_hash(__u64 socket)
{
	register __u64 low asm("r1") = socket;

	asm volatile("w1 = w1" : "+r"(low));
	return ((__u32)low >> 6) * 0x9e3779b1; /* objects of a slab differ from bit 6 up */
}

static __always_inline struct attempt *attempt_slot(__u64 socket)
{
	__u32 index = address_hash(socket) >> 17;

	return bpf_map_lookup_elem(&attempt_slots, &index);
}

/* Does the socket at this address, which may be gone, look like one in a handshake? */
static __always_inline bool in_handshake(__u64 socket)
{
	unsigned char state = 0;
	const struct sock *sk = (const struct sock *)socket;

	bpf_core_read(&state, sizeof(state), &sk->__sk_common.skc_state);
	return state == TCP_SYN_SENT || state == TCP_SYN_RECV;
}

/*
 * Was the end of the slot's holder missed? A holder that just claimed it is not in SYN_SENT yet,
 * since the tracepoint fires before the state is stored: so only after a second, and never while
 * it is being filled in, when start_ns is 0.
 */
static __always_inline bool attempt_is_stale(const struct attempt *slot, __u64 holder, __u64 now)
{
	__u64 start_ns = slot->start_ns;

	return start_ns && now > start_ns + 1000000000ULL && !in_handshake(holder);
}

/*
 * Claim the slot for a socket: NULL if another one in a handshake holds it. Needs atomics that
 * return a value (5.12, 5ffa25502b5a "bpf: Add instructions for atomic_[cmp]xchg").
 */
static __always_inline struct attempt *attempt_claim(__u64 socket, __u64 now)
{
	struct attempt *slot = attempt_slot(socket);
	struct counters *c;
	__u64 holder;

	if (!slot)
		return NULL;
	holder = __sync_val_compare_and_swap(&slot->socket, 0, socket);
	if (!holder)
		return slot;
	if (holder != socket) {
		if (!attempt_is_stale(slot, holder, now) ||
		    __sync_val_compare_and_swap(&slot->socket, holder, socket) != holder)
			return NULL;
	}
	c = this_cpu_counters();
	if (c)
		count(c->stale);
	return slot;
}

/* Where attempts are: in the array, and beyond it in the hash; or, for kernels whose atomics return nothing, in the hash only. */
enum attempts_in { IN_SLOTS, IN_HASH };

static __always_inline struct attempt *attempt_find(__u64 socket, enum attempts_in place)
{
	struct attempt *slot = place == IN_SLOTS ? attempt_slot(socket) : NULL;

	if (slot && slot->socket == socket)
		return slot;
	return bpf_map_lookup_elem(&attempts, &socket);
}

static __always_inline void attempt_release(struct attempt *a, __u64 socket, enum attempts_in place)
{
	if (place == IN_SLOTS && a == attempt_slot(socket)) {
		a->start_ns = 0;
		__sync_val_compare_and_swap(&a->socket, socket, 0);
	} else {
		bpf_map_delete_elem(&attempts, &socket);
	}
}

/* TCP_FASTOPEN_CONNECT: with a cookie, connect() leaves the SYN to the first data. */
static __always_inline bool may_wait(struct tcp_sock *tp)
{
	return BPF_CORE_READ_BITFIELD(tp, fastopen_connect);
}

/*
 * What inet_hash_connect() and what comes right behind it change. sk_set_txhash() draws a random number, but
 * IPv6 of 7.2 before SYN_SENT. The other two follow from addresses and ports, so that they stay if the socket had
 * the same in an earlier connection; write_seq also if it had any.
 */
static __always_inline __u32 port_marks(struct tcp_sock *tp)
{
	return tp->inet_conn.icsk_inet.sk.sk_txhash + tp->inet_conn.icsk_inet.sk.__sk_common.skc_hash +
	       tp->write_seq;
}

static __always_inline void attempt_fill(struct attempt *a, struct tcp_sock *tp, __u64 now)
{
	bool kernel = is_kernel(); /* then its thread's cgroup says nothing of the socket */

	a->cgroup_id = kernel ? tcp_cgroup_id(tp) : bpf_get_current_cgroup_id();
	store_caller(&a->pid, &a->uid, a->comm);
	a->simultaneous = 0;
	a->reset = 0;
	a->stray = 0;
	a->elsewhere = kernel ? socket_elsewhere(&tp->inet_conn.icsk_inet.sk) : current_elsewhere();
	a->fresh = 1;
	a->marks = port_marks(tp);
	a->bound = tp->inet_conn.icsk_inet.sk.__sk_common.skc_num != 0;
	a->may_wait = may_wait(tp);
	a->timed = 0;
	a->retransmits = tp->total_retrans;
	a->timers = 0;
	a->decided = 0;
	a->start_ns = now;
}

static __always_inline void active_begin(struct sock *sk, struct tcp_sock *tp, enum attempts_in place)
{
	__u64 socket = (__u64)sk, now = bpf_ktime_get_ns();
	struct attempt fresh = { .socket = socket }, *slot;
	struct namespace_counts *n;
	struct counters *c;

	n = namespace_find(socket_netns(tp), true);
	if (n)
		count_alone(n->begun);
	if (n && may_wait(tp))
		count_alone(n->may_wait);
	slot = place == IN_SLOTS ? attempt_claim(socket, now) : NULL;
	if (slot) {
		attempt_fill(slot, tp, now);
		return;
	}
	attempt_fill(&fresh, tp, now);
	if (bpf_map_update_elem(&attempts, &socket, &fresh, BPF_ANY)) {
		c = this_cpu_counters();
		if (c)
			count(c->attempt_map_full);
	}
}

/*
 * tcp_connect() stamps the first SYN in retrans_stamp, in units of the timestamp clock, which are cut off:
 * it left no sooner. It stays until a SYN is acknowledged, which is before the state becomes ESTABLISHED.
 */
static __always_inline __u64 first_syn_ns(struct tcp_sock *tp, __u64 now)
{
	__u64 unit = uses_usec_timestamps(tp) ? 1000 : 1000000;

	return tp->retrans_stamp ? (now / unit - ((__u32)(now / unit) - tp->retrans_stamp)) * unit : 0;
}

/* The later of the two is nearer to the first SYN, also where connect() left that to a send() long after it. */
static __always_inline void attempt_time(struct attempt *a, struct tcp_sock *tp, __u64 now)
{
	__u64 first_ns = first_syn_ns(tp, now);

	if (first_ns > a->start_ns)
		a->start_ns = first_ns;
	a->timed = first_ns != 0;
}

/*
 * tcp_wstamp_ns is when the last segment left, on CLOCK_MONOTONIC, and a socket in SYN_SENT has
 * sent nothing but SYNs. So the latency of an attempt with one SYN begins exactly there, whether
 * its beginning was seen or not; what connect() did before (route, port) is not the network's.
 * After a retransmit the first SYN is taken to have left when connect() set SYN_SENT, or when the
 * kernel stamped it.
 */
static __always_inline void active_times(struct event_handshake *e, struct tcp_sock *tp,
					 struct attempt *a)
{
	__u64 last_ns = tp->tcp_wstamp_ns, start_ns = 0;
	__u32 srtt_us = tp->srtt_us;

	if (a && e->outcome != OUTCOME_ESTABLISHED && e->outcome != OUTCOME_NO_PORT)
		attempt_time(a, tp, e->end_ns);
	if (a && (a->timed || !a->may_wait))
		start_ns = a->start_ns;
	e->latency_ns = e->rtt_ns = e->retransmit_wait_ns = NS_UNKNOWN;
	if (!e->retransmits && tp->segs_out == 1 && last_ns)
		start_ns = last_ns;
	if (start_ns)
		e->latency_ns = e->end_ns - start_ns;
	if (!e->retransmits) {
		e->retransmit_wait_ns = 0;
		if (e->outcome == OUTCOME_ESTABLISHED && srtt_us)
			e->rtt_ns = (__u64)(srtt_us >> 3) * 1000;
	} else if (start_ns && e->outcome == OUTCOME_ESTABLISHED) {
		split_latency(e, tp, start_ns, last_ns);
	} else if (start_ns && e->outcome == OUTCOME_TIMEOUT) {
		e->retransmit_wait_ns = e->latency_ns; /* there was nothing else to wait for */
	}
}

/*
 * Did tcp_connect() come to its end, where the kernel counts an opening? It moves snd_nxt behind the SYN there,
 * whatever became of that on its way out. Until a socket's first SYN both numbers are what an earlier
 * connection of it left.
 */
static __always_inline bool active_opened(struct tcp_sock *tp)
{
	return tp->snd_nxt != tp->snd_una && (tp->segs_out || tp->snd_nxt == tp->write_seq);
}

/* Why no SYN left: unsent_error(). */
static __always_inline int active_unsent(struct tcp_sock *tp, const struct attempt *a)
{
	const struct unsent u = {
		.has_port = a ? port_marks(tp) != a->marks : tp->inet_conn.icsk_inet.inet_sport != 0,
		.is_routed = tp->inet_conn.icsk_inet.sk.sk_dst_cache != NULL,
		.is_built = (tp->write_seq && tp->snd_una == tp->write_seq) || tp->segs_out,
		.is_refused = tp->segs_out != 0,
		.lost_route = tp->inet_conn.icsk_inet.sk.sk_err_soft != 0,
		.may_wait = may_wait(tp),
	};

	return unsent_error(&u);
}

/*
 * What the kernel has counted for an attempt since this was asked last: TCPSynRetrans as total_retrans, and
 * TCPTimeouts as icsk_retransmits, each time that its timer ran out, unless it gave up. Exact, where
 * tcp_retransmit_skb is silent about what was not sent (before 6.17) or fires for what is not counted.
 * `timers`: not once a SYN is acknowledged, which sets icsk_retransmits to 0.
 */
static __always_inline bool attempt_count(struct attempt *a, struct tcp_sock *tp,
					  struct namespace_counts *n, bool timers)
{
	__u16 retransmits = tp->total_retrans - a->retransmits;
	__u8 timeouts = timers ? tp->inet_conn.icsk_retransmits - a->timers : 0;

	a->retransmits += retransmits;
	a->timers += timeouts;
	if (n && retransmits)
		__sync_fetch_and_add(&n->retransmits, retransmits);
	if (n && timeouts)
		__sync_fetch_and_add(&n->timeouts, timeouts);
	return retransmits;
}

/* While a task is between SYN_SENT and the kernel's counter, nothing of its attempt happens. */
static __always_inline void attempt_decided(struct attempt *a, struct namespace_counts *n)
{
	if (a->decided || !n)
		return;
	a->decided = 1;
	count(n->decided);
}

#define WITHOUT_SYN 0x100 /* beside the errno; NEVER_ASKED has it, too */

/* What the audit has to know of an attempt that is over. `a`: NULL if its connect() was not seen. */
static __always_inline void active_count(struct tcp_sock *tp, struct attempt *a, bool opened, bool established,
					 int error)
{
	struct namespace_counts *n = namespace_counts(socket_netns(tp));

	if (a && opened)
		attempt_count(a, tp, n, !established);
	if (!n)
		return;
	if (a && !opened)
		count_alone(n->unsent);
	if (a ? a->may_wait : may_wait(tp))
		count_alone(*(a ? &n->waited : &n->unbegun));
	if (error || (!established && !tp->inet_conn.icsk_inet.sk.sk_lock.owned))
		count_alone(n->failed);
	if (error == ERR_ETIMEDOUT)
		count(n->timeouts); /* the last one, after which nothing is sent */
}

/* Established with its first SYN, and no option that lets that wait: there is nothing else to count. */
static __always_inline bool is_plain(struct tcp_sock *tp, const struct attempt *a, int newstate)
{
	return newstate == TCP_ESTABLISHED && tp->segs_out && !tp->total_retrans &&
	       !(a ? a->may_wait : may_wait(tp));
}

#define SO_EE_ORIGIN_ICMP 2

/* The error of the ICMP message that came last, as long as nobody reads the error queue (IPv4); else 0. */
static __always_inline int queued_error(struct sock *sk)
{
	struct sock_exterr_skb *message;
	struct sk_buff *skb;
	__u8 origin = 0;
	int error = 0;

	if (!sk->sk_error_queue.qlen)
		return 0;
	skb = BPF_CORE_READ(sk, sk_error_queue.prev);
	message = (struct sock_exterr_skb *)skb->cb;
	bpf_core_read(&origin, sizeof(origin), &message->ee.ee_origin);
	bpf_core_read(&error, sizeof(error), &message->ee.ee_errno);
	return origin == SO_EE_ORIGIN_ICMP ? error : 0;
}

/*
 * The kernel's error is gone from sk_err if the application took it (SO_ERROR) before the state changes: a message in the
 * error queue wakes it before that, and so do older kernels. What ends outside of a call was not closed by the application.
 */
static __always_inline int active_error(struct sock *sk, const struct attempt *a)
{
	if (sk->sk_err || sk->sk_lock.owned)
		return sk->sk_err;
	return a && a->reset ? ERR_ECONNREFUSED : queued_error(sk);
}

/* The error that ended an attempt, or NEVER_ASKED: it is no handshake. With a frame of its own, see latency_add(). */
static __noinline int active_over(struct tcp_sock *tp, struct attempt *a, int newstate)
{
	bool established = newstate == TCP_ESTABLISHED; /* without a SYN: restored by TCP_REPAIR */
	bool opened = established ? tp->segs_out != 0 : active_opened(tp);
	int error = established ? 0 : active_error(&tp->inet_conn.icsk_inet.sk, a);

	active_count(tp, a, opened, established, error);
	if (opened)
		return error;
	if (established || error) /* what tcp_abort() ended had not failed before */
		return NEVER_ASKED;
	error = active_unsent(tp, a);
	return error == NEVER_ASKED ? NEVER_ASKED : error | WITHOUT_SYN;
}

/* It ends an attempt with EHOSTUNREACH, unless the attempt ends just before for want of time or patience. */
static __always_inline bool may_lack_neighbour(const struct event_handshake *e)
{
	return e->error == ERR_EHOSTUNREACH || e->outcome == OUTCOME_TIMEOUT || e->outcome == OUTCOME_CANCELLED;
}

/* What else is known of an attempt that failed. */
static __always_inline void active_failed(struct event_handshake *e, struct sock *sk, struct tcp_sock *tp)
{
	e->soft_error = sk->sk_err_soft;
	/* SO_ERROR takes a soft error away, too; what reports it stays in the error queue (IPv4). */
	if (e->soft_error || sk->sk_error_queue.qlen)
		e->flags |= HANDSHAKE_ICMP;
	if (sk->sk_lock.owned)
		e->flags |= HANDSHAKE_BY_CALL;
	if (e->outcome == OUTCOME_REFUSED)
		e->flags |= refused_here(e);
	if (tp->inet_conn.icsk_retransmits)
		e->flags |= HANDSHAKE_OVERDUE;
	if (!may_lack_neighbour(e) || !neighbour_failed(sk, e->remote_addr, e->header.netns, e->end_ns))
		return;
	e->flags |= HANDSHAKE_NO_NEIGHBOUR;
	if (!e->error && !(e->flags & HANDSHAKE_BY_CALL)) { /* taken, see active_error() */
		e->error = ERR_EHOSTUNREACH;
		e->outcome = OUTCOME_UNREACHABLE;
	}
}

/* No SYN left: there is no latency, and the port is only its own if this connect() did not have to find one. */
static __always_inline void active_failed_unsent(struct event_handshake *e, const struct attempt *a)
{
	if (e->outcome != OUTCOME_NO_PORT)
		e->latency_ns = NS_UNKNOWN;
	else if (a && !a->bound)
		e->local_port = 0; /* an earlier connection's */
}

static __always_inline void active_end(struct sock *sk, struct tcp_sock *tp, int newstate, enum attempts_in place)
{
	struct attempt *a = attempt_find((__u64)sk, place);
	struct event_handshake e = {};
	__u64 bytes_acked;
	int error = 0;

	if (a)
		attempt_decided(a, namespace_counts(socket_netns(tp)));
	if (!is_plain(tp, a, newstate))
		error = active_over(tp, a, newstate);
	if (error == NEVER_ASKED) {
		if (a)
			attempt_release(a, (__u64)sk, place);
		return;
	}
	if (error & WITHOUT_SYN)
		e.flags |= HANDSHAKE_UNSENT;
	e.error = error;
	e.header.kind = EVENT_HANDSHAKE;
	e.header.len = sizeof(e);
	e.header.netns = socket_netns(tp);
	e.end_ns = end_time(tp, newstate);
	e.role = ROLE_ACTIVE;
	e.outcome = newstate == TCP_ESTABLISHED ? OUTCOME_ESTABLISHED : failed_outcome(e.error);
	e.retransmits = tp->total_retrans > 0xffff ? 0xffff : tp->total_retrans;
	active_times(&e, tp, a);

	store_addresses(sk, e.local_addr, e.remote_addr);
	e.local_port = bpf_ntohs(tp->inet_conn.icsk_inet.inet_sport);
	e.remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	bytes_acked = tp->bytes_acked; /* the SYN counts as one */
	e.client_isn = tp->snd_una - (__u32)bytes_acked;
	if (bytes_acked > 1 && BPF_CORE_READ_BITFIELD(tp, syn_data))
		e.flags |= HANDSHAKE_FASTOPEN;
	if (e.flags & HANDSHAKE_UNSENT)
		active_failed_unsent(&e, a);
	if (a) {
		e.cgroup_id = a->cgroup_id;
		e.caller.pid = a->pid;
		e.caller.uid = a->uid;
		__builtin_memcpy(e.caller.comm, a->comm, sizeof(a->comm));
		if (a->reset)
			e.flags |= HANDSHAKE_RESET;
		if (a->stray)
			e.flags |= HANDSHAKE_STRAY;
		if (a->elsewhere)
			e.flags |= HANDSHAKE_ELSEWHERE;
		if (a->simultaneous) { /* both are clients: what either side makes of both ISNs */
			e.flags |= HANDSHAKE_SIMULTANEOUS;
			e.client_isn ^= tp->rcv_nxt - (__u32)tp->bytes_received - 1;
		}
		attempt_release(a, (__u64)sk, place);
	} else {
		e.flags |= HANDSHAKE_PARTIAL | HANDSHAKE_ELSEWHERE; /* whose it is, is not known */
	}
	if (e.outcome != OUTCOME_ESTABLISHED && !(e.flags & HANDSHAKE_UNSENT))
		active_failed(&e, sk, tp);
	emit_handshake(&e);
}

/* SYN_SENT -> SYN_RECV: both ends sent a SYN; the attempt goes on. */
static __always_inline void active_crossed(struct sock *sk, enum attempts_in place)
{
	struct attempt *a = attempt_find((__u64)sk, place);

	if (a)
		a->simultaneous = 1;
}

#endif
