/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* RSTs that full sockets receive. */
#ifndef TCPSHAKE_RESET_RECEIVED_BPF_H
#define TCPSHAKE_RESET_RECEIVED_BPF_H

#include "counters.h"
#include "maps.h"
#include "reset.bpf.h"

/*
 * tcp_rcv_state_process() ends a connection with tcp_reset(), as if a RST had come, for data that
 * comes in FIN_WAIT after the application has closed: tcp_receive_reset fires, and nothing shows which.
 */
static __always_inline bool data_after_close(struct sock *sk, unsigned char state)
{
	return (state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2) &&
	       BPF_CORE_READ(sk, sk_shutdown) & 1 /* RCV_SHUTDOWN */;
}

static __always_inline void reset_received(struct sock *sk)
{
	struct event_reset e = { .reason = NO_REASON, .direction = RESET_RECEIVED };
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct counters *c = this_cpu_counters();
	unsigned char state;
	struct attempt *a;

	if (!tp || !c)
		return;
	state = sk->__sk_common.skc_state;
	if (data_after_close(sk, state))
		return;
	if (state == TCP_SYN_SENT || state == TCP_SYN_RECV) {
		a = attempt_find((__u64)sk, IN_SLOTS);
		if (a)
			a->reset = 1;
	}
	count_reset(c, RESET_RECEIVED, state == TCP_SYN_SENT ? RESET_REFUSED : RESET_PEER);
	e.header.netns = socket_netns(tp);
	if (filters_ends())
		reset_socket_ends(&e, sk);
	if (!reset_wanted(c, &e, sk))
		return;
	if (!filters_ends())
		reset_socket_ends(&e, sk);
	e.mono_ns = bpf_ktime_get_ns();
	e.phase = phase_of(sk, state);
	e.cause = e.phase == PHASE_SYN_SENT ? RESET_REFUSED : RESET_PEER;
	if (e.phase == PHASE_SYN_SENT || e.phase == PHASE_SYN_RECV)
		reset_caller(&e, sk);
	if (e.phase == PHASE_SYN_SENT) {
		e.client_isn = tp->snd_una;
		e.has_isn = 1;
	}
	emit_reset(c, &e);
}

#endif
