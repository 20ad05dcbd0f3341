// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Refused SYNs, which fire no tracepoint, and final ACKs and RSTs to a request where the kernel does
 * not name their drop: by the functions that refuse them; and RSTs sent without a full socket, where
 * tcp_send_reset is silent then. An object of its own, loaded where functions can be hooked.
 *
 * Whether a packet was refused, and for which queue, is what the kernel counted for it. Its
 * counters are per CPU, and both functions run to their end on one CPU with bottom halves
 * disabled, so what this CPU's counters moved from the entry to the exit is this packet's. The
 * lengths of the queues would only say how full they are now, as other CPUs see them change.
 */
#include "overflow.bpf.h"
#include "reset_dropped.bpf.h"
#include "reset_sent.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Of the enum LINUX_MIB_…, which has no name by which a relocation could find it. */
const volatile __u32 mib_listen_overflows, mib_listen_drops, mib_reqq_full_drop;
const volatile __u32 mib_out_rsts; /* of TCP_MIB_… */

enum spot { SPOT_SYN, SPOT_ACK, SPOT_RESET, SPOTS };

/* This CPU's counters of a namespace, as a function began to handle a packet. */
struct tally {
	__u64 packet;
	__u64 counters; /* their address */
	__u64 overflows; /* ListenOverflows */
	__u64 drops; /* ListenDrops */
	__u64 reqq_drops; /* TCPReqQFullDrop */
	__u64 embryonic; /* EmbryonicRsts */
	__u64 resets; /* OutRsts */
};

struct tallies {
	struct tally at[SPOTS];
	__u64 offset; /* this CPU's, once it is known */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tallies);
} tallies SEC(".maps");

static __always_inline __u64 this_cpu_offset(struct tallies *here)
{
	if (!here->offset)
		here->offset = per_cpu_offset(&tallies, here);
	return here->offset;
}

static __always_inline __u64 counted(const struct tally *t, __u32 counter)
{
	__u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (unsigned long *)t->counters + counter);
	return value;
}

static __always_inline struct tallies *tallies_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tallies, &zero);
}

static __always_inline int begins(enum spot spot, struct sock *sk, struct sk_buff *skb)
{
	struct linux_mib *mib = BPF_CORE_READ(sk, __sk_common.skc_net.net, mib.net_statistics);
	struct tallies *here = tallies_here();
	struct tally *t;

	if (!here)
		return 0;
	t = &here->at[spot];
	t->packet = (__u64)skb;
	t->counters = (__u64)mib + this_cpu_offset(here);
	t->overflows = counted(t, mib_listen_overflows);
	t->drops = counted(t, mib_listen_drops);
	if (spot == SPOT_SYN)
		t->reqq_drops = counted(t, mib_reqq_full_drop);
	else
		t->embryonic = counted(t, LINUX_MIB_EMBRYONICRSTS);
	return 0;
}

/* Was the packet dropped since its entry? Then `moved` says what the kernel counted. */
static __always_inline bool dropped(enum spot spot, struct sk_buff *skb, struct tally *moved)
{
	struct tallies *here = tallies_here();
	struct tally *t;

	if (!here)
		return false;
	t = &here->at[spot];
	if (t->packet != (__u64)skb)
		return false; /* its beginning was not seen */
	moved->drops = counted(t, mib_listen_drops) - t->drops;
	if (!moved->drops)
		return false;
	moved->overflows = counted(t, mib_listen_overflows) - t->overflows;
	if (spot == SPOT_SYN)
		moved->reqq_drops = counted(t, mib_reqq_full_drop) - t->reqq_drops;
	return true;
}

/* Has the kernel counted a request's end since the packet's entry? */
static __always_inline bool ended_request(struct sk_buff *skb)
{
	struct tallies *here = tallies_here();
	struct tally *t;

	if (!here)
		return false;
	t = &here->at[SPOT_ACK];
	return t->packet == (__u64)skb && counted(t, LINUX_MIB_EMBRYONICRSTS) != t->embryonic;
}

static __always_inline struct listener_state *state_of(struct sock *sk)
{
	struct listener_key key = { (__u64)sk };

	return bpf_map_lookup_elem(&listeners, &key);
}

/*
 * tcp_conn_request(): without syncookies, the last quarter of tcp_max_syn_backlog is kept for peers
 * that are known. What else drops a SYN and counts nothing but ListenDrops is no full queue: no
 * route, no memory, a security module. Those come to the same end, so the rule is never proven.
 */
static __always_inline bool quarter_is_kept(struct sock *sk)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;
	struct net *net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	int most = BPF_CORE_READ(net, ipv4.sysctl_max_syn_backlog);
	int len = BPF_CORE_READ(icsk, icsk_accept_queue.qlen.counter);

	return !BPF_CORE_READ(net, ipv4.sysctl_tcp_syncookies) && most - len < most >> 2;
}

static __always_inline int syn_ends(struct sock *sk, struct sk_buff *skb)
{
	struct event_overflow e = {};
	struct listener_state *state;
	struct tally moved = {};

	if (!dropped(SPOT_SYN, skb, &moved))
		return 0;
	state = state_of(sk);
	if (moved.overflows)
		e.code = CODE_ACCEPT_QUEUE_FULL;
	else if (moved.reqq_drops)
		e.code = CODE_SYN_QUEUE_FULL;
	else if (quarter_is_kept(sk))
		e.code = CODE_SYN_QUEUE_THREE_QUARTERS;
	else
		e.code = CODES;
	if (e.code == CODES) {
		if (state)
			count(state->syn_failed);
		return 0;
	}
	if (state)
		count(state->syn_drops[e.code]);
	store_queue(&e, sk);
	e.stage = STAGE_SYN;
	e.evidence = EVIDENCE_CONN_REQUEST;
	e.proven = e.code != CODE_SYN_QUEUE_THREE_QUARTERS;
	store_packet(&e, skb);
	emit_overflow(&e);
	return 0;
}

/* A frame of its own, for what ends a request needs one, too: 512 bytes are all that both may take. */
static __noinline int ack_ends(struct sock *sk, struct sk_buff *skb, bool from_cookie)
{
	struct event_overflow e = { .from_cookie = from_cookie };
	struct listener_state *state;
	struct tally moved = {};

	if (!dropped(SPOT_ACK, skb, &moved))
		return 0;
	state = state_of(sk);
	if (!moved.overflows) {
		if (state && from_cookie)
			count(state->syn_failed);
		else if (state)
			count(state->failed);
		return 0;
	}
	store_queue(&e, sk);
	e.stage = STAGE_ACK;
	e.evidence = from_cookie ? EVIDENCE_GET_COOKIE_SOCK : EVIDENCE_CHECK_REQ;
	e.proven = true;
	store_action(&e, sk);
	count_ack(state, &e);
	store_packet(&e, skb);
	emit_overflow(&e);
	return 0;
}

SEC("fentry/tcp_conn_request")
int conn_request_begins(__u64 *ctx)
{
	return begins(SPOT_SYN, (struct sock *)ctx[2], (struct sk_buff *)ctx[3]);
}

SEC("fexit/tcp_conn_request")
int conn_request_ends(__u64 *ctx)
{
	return syn_ends((struct sock *)ctx[2], (struct sk_buff *)ctx[3]);
}

/*
 * The final ACK of a request in the SYN queue, and that of one just made from a cookie. Both have
 * tcp_v4_syn_recv_sock() or its IPv6 sister make the child, which got a seventh argument (6.18 and
 * stable kernels): more than the trampolines of 6.1 take.
 */
SEC("fentry/tcp_check_req")
int check_req_begins(__u64 *ctx)
{
	return begins(SPOT_ACK, (struct sock *)ctx[0], (struct sk_buff *)ctx[1]);
}

SEC("fexit/tcp_check_req")
int check_req_ends(__u64 *ctx)
{
	if (ended_request((struct sk_buff *)ctx[1]))
		request_reset((struct sk_buff *)ctx[1], (struct sock *)ctx[0]);
	return ack_ends((struct sock *)ctx[0], (struct sk_buff *)ctx[1], false);
}

SEC("fentry/tcp_get_cookie_sock")
int cookie_sock_begins(__u64 *ctx)
{
	return begins(SPOT_ACK, (struct sock *)ctx[0], (struct sk_buff *)ctx[1]);
}

SEC("fexit/tcp_get_cookie_sock")
int cookie_sock_ends(__u64 *ctx)
{
	return ack_ends((struct sock *)ctx[0], (struct sk_buff *)ctx[1], true);
}

/*
 * tcp_v4_send_reset() and its sister: up to 6.9 tcp_send_reset fires there for a full socket only.
 * Not all that is handed to them is answered: OutRsts says so. What has no full socket comes in a
 * softirq, where none of them interrupts another.
 */
static __always_inline bool fires_no_tracepoint(struct sock *sk)
{
	unsigned char state;

	if (!sk)
		return true;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	return state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV;
}

/* Numbers, for the verifier takes a function's arguments for pointers that are never NULL. */
static __always_inline int answer_begins(__u64 *ctx)
{
	struct sock *sk = (struct sock *)number_of((void *)ctx[0]);
	struct sk_buff *skb = (struct sk_buff *)number_of((void *)ctx[1]);
	struct tallies *here = tallies_here();
	struct tally *t;
	struct net *net;

	if (!here || !fires_no_tracepoint(sk))
		return 0;
	net = sk ? BPF_CORE_READ(sk, __sk_common.skc_net.net) : packet_net(skb);
	t = &here->at[SPOT_RESET];
	t->packet = (__u64)skb;
	t->counters = (__u64)BPF_CORE_READ(net, mib.tcp_statistics) + this_cpu_offset(here);
	t->resets = counted(t, mib_out_rsts);
	return 0;
}

static __always_inline int answer_ends(__u64 *ctx)
{
	struct sock *sk = (struct sock *)number_of((void *)ctx[0]);
	struct sk_buff *skb = (struct sk_buff *)number_of((void *)ctx[1]);
	struct tallies *here = tallies_here();
	struct tally *t;

	if (!here || !fires_no_tracepoint(sk))
		return 0;
	t = &here->at[SPOT_RESET];
	if (t->packet == (__u64)skb && counted(t, mib_out_rsts) != t->resets)
		reset_sent(sk, skb, NO_REASON);
	t->packet = 0;
	return 0;
}

SEC("fentry/tcp_v4_send_reset")
int reset4_begins(__u64 *ctx)
{
	return answer_begins(ctx);
}

SEC("fexit/tcp_v4_send_reset")
int reset4_ends(__u64 *ctx)
{
	return answer_ends(ctx);
}

SEC("fentry/tcp_v6_send_reset")
int reset6_begins(__u64 *ctx)
{
	return answer_begins(ctx);
}

SEC("fexit/tcp_v6_send_reset")
int reset6_ends(__u64 *ctx)
{
	return answer_ends(ctx);
}
