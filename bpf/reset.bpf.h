/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * RSTs, sent and received. What is sent comes through tcp_send_reset, in answer to a packet or,
 * without one, because the local application ended a connection; before 6.10 that
 * tracepoint is silent where there is no full socket, so that a closed port shows as a dropped
 * packet only. Received: tcp_receive_reset, full sockets only; a request's RST is a dropped packet, or one that
 * tcp_check_req() was seen to end it for.
 */
#ifndef TCPSHAKE_RESET_BPF_H
#define TCPSHAKE_RESET_BPF_H

#include "active.bpf.h"
#include "counters.h"
#include "fin_wait.bpf.h"
#include "maps.h"
#include "packet.bpf.h"

static __always_inline __u8 phase_of(struct sock *sk, unsigned char state)
{
	switch (state) {
	case TCP_SYN_SENT:
		return PHASE_SYN_SENT;
	case TCP_SYN_RECV:
	case TCP_NEW_SYN_RECV:
		return PHASE_SYN_RECV;
	case TCP_ESTABLISHED:
		return PHASE_ESTABLISHED;
	case TCP_LISTEN:
		return PHASE_NONE;
	case TCP_CLOSE:
		return was_closing(sk) ? PHASE_CLOSING : PHASE_ESTABLISHED;
	default:
		return PHASE_CLOSING;
	}
}

static __always_inline void emit_reset(struct counters *c, struct event_reset *e)
{
	e->header.kind = EVENT_RESET;
	e->header.len = sizeof(*e);
	deliver(c, e, sizeof(*e), EVENT_RESET);
}

/*
 * Exact, whatever becomes of the records. Each direction is one program's to count: but for the
 * kernels whose tracepoints leave out some of what is sent, and on which programs nest.
 */
static __always_inline void count_reset(struct counters *c, __u32 direction, __u32 cause)
{
	if (direction < DIRECTIONS && cause < RESET_CAUSES)
		count_alone(c->resets[direction][cause]);
}

/*
 * What the filter leaves out does not use up the limit. Filters of the ends need the ends; what else
 * the record holds is read once it is wanted, for most of a storm's are not. Whose it is, a full socket
 * shows (`full`, or NULL).
 */
static __always_inline bool reset_wanted(struct counters *c, struct event_reset *e, struct sock *full)
{
	if (!within_limit(c, EVENT_RESET,
			  (!filter.netns || filter.netns == e->header.netns) &&
				  (!filter.by_cgroup || (full && !socket_elsewhere(full))) &&
				  ends_wanted(e->local_port, e->remote_port, e->remote_addr)))
		return false;
	e->cgroup_id = full ? socket_cgroup_id(full) : 0;
	return true;
}

/* What is not full has no cgroup: nobody's, and a request is its listener's. */
static __always_inline struct sock *full_socket(struct sock *sk, unsigned char state)
{
	return state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV ? NULL : sk;
}

static __always_inline void reset_ends(struct event_reset *e, const struct packet *p)
{
	__builtin_memcpy(e->local_addr, p->local_addr, 16);
	__builtin_memcpy(e->remote_addr, p->remote_addr, 16);
	e->local_port = p->local_port;
	e->remote_port = p->remote_port;
}

/* The ends of a socket whose type the verifier does not know. */
static __always_inline void reset_socket_ends(struct event_reset *e, struct sock *sk)
{
	struct inet_sock *inet = (struct inet_sock *)sk;

	store_probed_addresses(sk, e->local_addr, e->remote_addr);
	e->local_port = bpf_ntohs(BPF_CORE_READ(inet, inet_sport));
	e->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
}

static __always_inline void reset_caller(struct event_reset *e, struct sock *sk)
{
	struct attempt *a = attempt_find((__u64)sk, IN_SLOTS);

	if (!a)
		return;
	e->pid = a->pid;
	e->uid = a->uid;
	__builtin_memcpy(e->comm, a->comm, sizeof(a->comm));
}

/*
 * A listener answers a SYN that is inside of a request's window, and else none; a SYN with an ACK may
 * also fit no request. Its reason shows the former (INVALID_SYN, 6.10).
 */
static __always_inline bool spoils_request(const struct packet *p, __u32 reason)
{
	if (!(p->flags & FLAG_SYN))
		return false;
	if (send_reset_has_reason())
		return reason == bpf_core_enum_value(enum sk_rst_reason, SK_RST_REASON_INVALID_SYN);
	return !(p->flags & FLAG_ACK);
}

static __always_inline void reset_answers(struct event_reset *e, struct sock *sk,
					  const struct packet *p, unsigned char state)
{
	reset_ends(e, p);
	if (!sk) {
		e->cause = (p->flags & (FLAG_SYN | FLAG_ACK)) == FLAG_SYN ? RESET_PORT_CLOSED :
									   RESET_NO_CONNECTION;
		if (e->cause == RESET_PORT_CLOSED) {
			e->client_isn = p->seq;
			e->has_isn = 1;
			refusal_keep(p, e->mono_ns);
		}
	} else if (state == TCP_LISTEN && spoils_request(p, e->reason)) {
		e->cause = RESET_INVALID;
		e->phase = PHASE_SYN_RECV;
	} else if (state == TCP_LISTEN) {
		e->cause = RESET_NO_CONNECTION;
	} else if (state == TCP_TIME_WAIT || state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 ||
		   state == TCP_CLOSING || state == TCP_LAST_ACK || state == TCP_CLOSE) {
		e->cause = RESET_LATE;
		e->phase = PHASE_CLOSING;
	} else {
		e->cause = RESET_INVALID;
		if (state == TCP_SYN_SENT) {
			reset_caller(e, sk);
			e->client_isn = BPF_CORE_READ((struct tcp_sock *)sk, snd_una);
			e->has_isn = 1;
		}
	}
}


#endif
