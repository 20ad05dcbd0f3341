// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Every listener of every network namespace that some process holds open, one record a holder. */
#include "listener.bpf.h"

#include <bpf/bpf_tracing.h>

SEC("iter/task_file")
int listener_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task, *leader;
	struct file *file = ctx->file;
	struct event_listener e = {};
	struct socket *socket;
	struct sock *sk;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = BPF_CORE_READ(socket, sk);
	if (!sk || BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_LISTEN ||
	    BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	store_listener(&e, sk);
	e.event = LISTENER_FOUND;
	e.pid = task->tgid;
	leader = task->group_leader;
	e.uid = BPF_CORE_READ(leader, cred, uid.val);
	bpf_probe_read_kernel_str(e.comm, sizeof(e.comm), leader->comm);
	bpf_seq_write(ctx->meta->seq, &e, sizeof(e));
	return 0;
}
