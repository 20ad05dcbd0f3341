// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Final ACKs that a listener refuses, and RSTs to a request, where the kernel does not name their
 * drop: by the functions that handle the final ACK of a request in the SYN queue, and that of one
 * just made from a cookie. Both have tcp_v4_syn_recv_sock() or its IPv6 sister make the child, which
 * got a seventh argument (6.18 and stable kernels): more than the trampolines of 6.1 take.
 */
#include "overflow.bpf.h"
#include "reset_dropped.bpf.h"
#include "tally.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum { OVERFLOWS, DROPS, EMBRYONIC };

static __always_inline int ack_begins(struct sock *sk, struct sk_buff *skb)
{
	struct tally *t = tally_begin(skb, net_statistics(sk));

	if (!t)
		return 0;
	t->before[OVERFLOWS] = tally_read(t, mib_listen_overflows);
	t->before[DROPS] = tally_read(t, mib_listen_drops);
	t->before[EMBRYONIC] = tally_read(t, LINUX_MIB_EMBRYONICRSTS);
	return 0;
}

/* A frame of its own, for what ends a request needs one, too: 512 bytes are all that both may take. */
static __noinline int ack_ends(struct sock *sk, struct sk_buff *skb, bool from_cookie)
{
	struct event_overflow e = { .from_cookie = from_cookie };
	struct tally *t = tally_of(skb);
	struct listener_state *state;

	if (!t || !tally_moved(t, DROPS, mib_listen_drops))
		return 0;
	state = listener_state_of(sk);
	if (!tally_moved(t, OVERFLOWS, mib_listen_overflows)) {
		if (state && from_cookie) {
			count(state->syn_failed);
		} else if (state) {
			count_merged(state, skb);
			count(state->failed);
		}
		return 0;
	}
	store_queue(&e, sk);
	e.stage = STAGE_ACK;
	e.evidence = from_cookie ? EVIDENCE_GET_COOKIE_SOCK : EVIDENCE_CHECK_REQ;
	e.proven = true;
	store_action(&e, sk);
	count_ack(state, &e, skb);
	store_packet(&e, skb);
	emit_overflow(&e);
	return 0;
}

/* Has the kernel counted a request's end since the packet's entry? */
static __always_inline bool ended_request(struct sk_buff *skb)
{
	struct tally *t = tally_of(skb);

	return t && tally_moved(t, EMBRYONIC, LINUX_MIB_EMBRYONICRSTS);
}

SEC("fentry/tcp_check_req")
int check_req_begins(__u64 *ctx)
{
	return ack_begins((struct sock *)ctx[0], (struct sk_buff *)ctx[1]);
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
	return ack_begins((struct sock *)ctx[0], (struct sk_buff *)ctx[1]);
}

SEC("fexit/tcp_get_cookie_sock")
int cookie_sock_ends(__u64 *ctx)
{
	return ack_ends((struct sock *)ctx[0], (struct sk_buff *)ctx[1], true);
}
