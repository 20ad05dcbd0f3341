// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/lab/unix_queue.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The kernel's answer on one socket. */
static int ask(uint32_t inode, char *answer, size_t size)
{
	struct {
		struct nlmsghdr header;
		struct unix_diag_req request;
	} question = {
		.header = {
			.nlmsg_len = sizeof(question),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST,
		},
		.request = {
			.sdiag_family = AF_UNIX,
			.udiag_states = UINT32_MAX,
			.udiag_ino = inode,
			.udiag_show = UDIAG_SHOW_RQLEN,
			.udiag_cookie = { UINT32_MAX, UINT32_MAX },
		},
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), err = 0;

	if (fd < 0)
		return -errno;
	if (send(fd, &question, sizeof(question), 0) < 0 || recv(fd, answer, size, 0) < 0)
		err = -errno;
	close(fd);
	return err;
}

int lab_unix_queue(const struct lab_space *s, enum lab_place place, int fd, uint64_t *len, uint64_t *max)
{
	union {
		struct nlmsghdr header;
		char bytes[1024];
	} answer = { 0 };
	struct stat st;
	struct rtattr *a;
	int err = fstat(fd, &st) < 0 ? -errno : lab_space_enter(s, place), rest;

	if (err)
		return err;
	err = ask((uint32_t)st.st_ino, answer.bytes, sizeof(answer));
	lab_space_leave(s);
	if (err || answer.header.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return err ? err : -ENOENT;
	a = (struct rtattr *)((char *)NLMSG_DATA(&answer.header) + NLMSG_ALIGN(sizeof(struct unix_diag_msg)));
	rest = (int)NLMSG_PAYLOAD(&answer.header, sizeof(struct unix_diag_msg));
	for (; RTA_OK(a, rest); a = RTA_NEXT(a, rest)) {
		struct unix_diag_rqlen queue;

		if (a->rta_type != UNIX_DIAG_RQLEN)
			continue;
		memcpy(&queue, RTA_DATA(a), sizeof(queue));
		*len = queue.udiag_rqueue;
		*max = queue.udiag_wqueue;
		return 0;
	}
	return -ENOENT;
}
