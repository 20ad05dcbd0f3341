// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Every listener of every namespace, and who holds it open. */
#include "caller.bpf.h"
#include "listener.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* A socket's file; bpf_sock_from_file() is absent in 5.10 (4f19cab76136 came with 5.11). */
static __always_inline struct socket *socket_of(struct file *file)
{
	const unsigned short type_mask = 0170000, type_socket = 0140000;
	struct socket *socket;

	if ((BPF_CORE_READ(file, f_inode, i_mode) & type_mask) != type_socket)
		return NULL;
	socket = BPF_CORE_READ(file, private_data); /* NULL for an O_PATH descriptor */
	return socket && BPF_CORE_READ(socket, file) == file ? socket : NULL;
}

/* One record a holder. What is not in the table of listeners yet gets there. */
SEC("iter/task_file")
int listener_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task, *leader;
	struct file *file = ctx->file;
	struct event_listener e = {};
	struct listener_key key;
	struct socket *socket;
	struct sock *sk;

	if (!task || !file)
		return 0;
	socket = socket_of(file);
	if (!socket)
		return 0;
	sk = BPF_CORE_READ(socket, sk);
	if (sk)
		sk = listening_socket(sk);
	if (!sk || BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_LISTEN ||
	    BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	store_listener(&e, sk);
	e.event = LISTENER_FOUND;
	e.pid = task->tgid;
	leader = task->group_leader;
	e.uid = BPF_CORE_READ(leader, cred, uid.val);
	bpf_probe_read_kernel_str(e.comm, sizeof(e.comm), leader->comm);
	store_origin(&e, task);
	key.socket = e.socket;
	if (!bpf_map_lookup_elem(&listeners, &key)) {
		embryonic_open(BPF_CORE_READ(sk, __sk_common.skc_net.net), e.header.netns);
		listener_watch(&e, BPF_CORE_READ(sk, __sk_common.skc_family));
	}
	bpf_seq_write(ctx->meta->seq, &e, sizeof(e));
	return 0;
}
