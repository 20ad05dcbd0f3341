// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/host/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"

#define ALL_BUT_LISTENERS (0xfffU & ~(1U << TCP_LISTEN) & ~1U)

static int compare(const void *a_use, const void *b_use)
{
	const struct port_use *a = a_use, *b = b_use;
	int order = memcmp(a->local, b->local, sizeof(a->local));

	if (!order)
		order = memcmp(a->remote, b->remote, sizeof(a->remote));
	if (!order)
		order = (int)a->remote_port - (int)b->remote_port;
	return order ? order : (int)a->local_port - (int)b->local_port;
}

static bool same_way(const struct port_use *a, const struct port_use *b)
{
	return memcmp(a->local, b->local, sizeof(a->local)) == 0 &&
	       memcmp(a->remote, b->remote, sizeof(a->remote)) == 0 &&
	       a->remote_port == b->remote_port;
}

void ports_sum(struct port_use *uses, size_t count, uint16_t low, uint16_t high,
	       struct ports_summary *sum)
{
	uint8_t seen[8192] = { 0 };
	uint64_t towards = 0;

	*sum = (struct ports_summary){ 0 };
	qsort(uses, count, sizeof(*uses), compare);
	for (size_t i = 0; i < count; i++) {
		const struct port_use *use = &uses[i];
		uint8_t bit = (uint8_t)(1u << (use->local_port & 7));

		if (i && !same_way(use, &uses[i - 1]))
			towards = 0;
		if (use->local_port < low || use->local_port > high)
			continue;
		sum->ports += !(seen[use->local_port >> 3] & bit);
		seen[use->local_port >> 3] |= bit;
		/* Twice in the same way: one of them is on its way out. */
		if (towards && use->local_port == uses[i - 1].local_port)
			continue;
		if (++towards > sum->busiest) {
			sum->busiest = towards;
			sum->towards = *use;
		}
	}
}

static void put_address(uint8_t *to, uint8_t family, const __be32 *from)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (family == AF_INET6) {
		memcpy(to, from, 16);
		return;
	}
	memcpy(to, mapped, sizeof(mapped));
	memcpy(to + 12, from, 4);
}

static int request(int fd, uint8_t family)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 body;
	} message = {
		.header = { .nlmsg_len = sizeof(message), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.body = { .sdiag_family = family, .sdiag_protocol = IPPROTO_TCP,
			  .idiag_states = ALL_BUT_LISTENERS },
	};

	return send(fd, &message, sizeof(message), 0) < 0 ? -errno : 0;
}

static void take(struct buf *uses, const struct inet_diag_msg *m)
{
	struct port_use use = { .local_port = ntohs(m->id.idiag_sport),
				.remote_port = ntohs(m->id.idiag_dport) };

	put_address(use.local, m->idiag_family, m->id.idiag_src);
	put_address(use.remote, m->idiag_family, m->id.idiag_dst);
	buf_mem(uses, &use, sizeof(use));
}

/* 1 at the end of the answer, 0 if more follows, or a negative errno. */
static int take_messages(struct buf *uses, const char *data, size_t len)
{
	const struct nlmsghdr *h = (const void *)data;

	for (; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return 1;
		if (h->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(h))->error ? : -EPROTO;
		if (h->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
		    h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
			take(uses, NLMSG_DATA(h));
	}
	return 0;
}

static int dump(int fd, uint8_t family, struct buf *uses)
{
	_Alignas(struct nlmsghdr) char data[32768];
	int err = request(fd, family);

	while (!err) {
		ssize_t n = recv(fd, data, sizeof(data), 0);

		if (n < 0 && errno == EINTR)
			continue;
		err = n < 0 ? -errno : n == 0 ? -EPROTO : take_messages(uses, data, (size_t)n);
	}
	return err < 0 ? err : 0;
}

int ports_look(uint16_t low, uint16_t high, struct ports_summary *sum)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	struct buf uses = { 0 };
	int err = fd < 0 ? -errno : dump(fd, AF_INET, &uses);

	if (!err)
		err = dump(fd, AF_INET6, &uses);
	/* A kernel without IPv6 has no such sockets. */
	if (err == -ENOENT || err == -EAFNOSUPPORT)
		err = 0;
	if (!err && uses.failed)
		err = -ENOMEM;
	if (!err) {
		/* Nothing was appended: there is no array, and qsort() may not be given NULL. */
		buf_reserve(&uses, 1);
		ports_sum((struct port_use *)(void *)uses.data, uses.len / sizeof(struct port_use),
			  low, high, sum);
	}
	buf_free(&uses);
	if (fd >= 0)
		close(fd);
	return err;
}
