// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Requests that join a SYN queue, by the function that adds them: no tracepoint fires for one. The SYN-ACK is sent after
 * it returns, so the request is in the queue still. Requests of SYN cookies and of Fast Open join no SYN queue.
 */
#include "listener.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * Since ff46e3b44219 (6.10; "Fix race for duplicate reqsk on identical SYN") it may find that another CPU has added the same
 * request. Then it returns with a count of references that is still 0, and the caller frees it.
 */
static __always_inline int request_joined(struct sock *sk, struct request_sock *req)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	__u32 len;

	if (!tp || !req->__req_common.skc_refcnt.refs.counter)
		return 0;
	len = tp->inet_conn.icsk_accept_queue.qlen.counter;
	listener_requested((__u64)sk, len ? len - 1 : 0, sk->sk_max_ack_backlog); /* another CPU may have removed one */
	return 0;
}

SEC("fexit/inet_csk_reqsk_queue_hash_add")
int request_function(__u64 *ctx)
{
	return request_joined((struct sock *)ctx[0], (struct request_sock *)ctx[1]);
}
