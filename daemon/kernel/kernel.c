// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/kernel/kernel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

/* Asked of the verifier with the smallest program that does (5.12). */
int kernel_fetch_atomics(void)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .src_reg = BPF_REG_0,
		  .off = -8 },
		{ .code = BPF_STX | BPF_ATOMIC | BPF_DW, .dst_reg = BPF_REG_10,
		  .src_reg = BPF_REG_0, .off = -8, .imm = BPF_CMPXCHG },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "probe", "GPL", program,
			       sizeof(program) / sizeof(*program), NULL);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/*
 * Since 7.0 a tracepoint's callbacks are guarded by SRCU (a46023d5616e "tracing: Guard
 * __DECLARE_TRACE() use of __DO_TRACE_CALL() with SRCU-fast"), where before preemption was off, and
 * BPF's run under rcu_read_lock() (f7d327654b88). That leaves preemption on if RCU's readers can be
 * preempted (CONFIG_PREEMPT_RCU), for which a task counts them. Perf's callbacks, and so classic
 * programs, go on disabling preemption (16718274ee75).
 */
bool kernel_preempts_tracepoints(const struct btf_index *btf)
{
	static const char guard[] = "\0class_srcu_fast_notrace_t", nesting[] = "\0rcu_read_lock_nesting";

	return memmem(btf->names, btf->names_len, guard, sizeof(guard)) &&
	       memmem(btf->names, btf->names_len, nesting, sizeof(nesting));
}

/* Where tracefs is not mounted or not to be read: a mount that only this descriptor refers to (5.2). */
static int mount_tracefs(void)
{
	int fs = fsopen("tracefs", FSOPEN_CLOEXEC), mount = -1;

	if (fs < 0)
		return -errno;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mount = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
	if (mount < 0)
		mount = -errno;
	close(fs);
	return mount;
}

static int read_number(int dir, const char *path)
{
	char text[16] = "";
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 ? atoi(text) : -EIO;
}

int kernel_tracepoint(const char *name)
{
	static const char *const places[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	char path[128];
	int id = -1, mount;

	for (size_t i = 0; id < 0 && i < sizeof(places) / sizeof(*places); i++) {
		snprintf(path, sizeof(path), "%s/events/%s/id", places[i], name);
		id = read_number(-1, path);
	}
	if (id >= 0)
		return id;
	mount = mount_tracefs();
	if (mount < 0)
		return mount;
	snprintf(path, sizeof(path), "events/%s/id", name);
	id = read_number(mount, path);
	close(mount);
	return id;
}
