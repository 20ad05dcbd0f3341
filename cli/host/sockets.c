// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/host/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/addr.h"

#define TIMER_OF_THE_END 3 /* idiag_timer of inet_twsk_diag_fill() */

struct dump {
	int fd;
	sockets_fn *fn;
	void *ctx;
};

static void put_address(uint8_t *to, uint8_t family, const __be32 *from)
{
	if (family == AF_INET6) {
		memcpy(to, from, 16);
		return;
	}
	memcpy(to, addr_any_ipv4, 12);
	memcpy(to + 12, from, 4);
}

static int request(int fd, uint8_t family, uint32_t states, uint8_t extensions)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 body;
	} message = {
		.header = { .nlmsg_len = sizeof(message), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.body = { .sdiag_family = family, .sdiag_protocol = IPPROTO_TCP,
			  .idiag_ext = extensions, .idiag_states = states },
	};

	return send(fd, &message, sizeof(message), 0) < 0 ? -errno : 0;
}

static void take_attribute(struct socket_seen *s, const struct rtattr *a)
{
	const char *data = RTA_DATA(a);
	size_t len = RTA_PAYLOAD(a);
	const size_t quiet = offsetof(struct tcp_info, tcpi_last_ack_recv);

	if (a->rta_type == INET_DIAG_INFO && len >= quiet + sizeof(s->quiet_ms))
		memcpy(&s->quiet_ms, data + quiet, sizeof(s->quiet_ms));
	else if (a->rta_type == INET_DIAG_CGROUP_ID && len >= sizeof(s->cgroup_id))
		memcpy(&s->cgroup_id, data, sizeof(s->cgroup_id));
	else if (a->rta_type == INET_DIAG_SKV6ONLY && len >= 1)
		s->v6only = *data;
}

static void take(const struct dump *d, const struct nlmsghdr *h)
{
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	const struct rtattr *a = (const void *)(m + 1);
	int len = (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*m)));
	struct socket_seen s = {
		.local_port = ntohs(m->id.idiag_sport),
		.remote_port = ntohs(m->id.idiag_dport),
		.state = m->idiag_state,
		.ends = m->idiag_timer == TIMER_OF_THE_END,
		.inode = m->idiag_inode,
		.quiet_ms = QUIET_UNKNOWN,
	};

	if (s.ends)
		s.ends_ms = m->idiag_expires;
	if (s.state == TCP_LISTEN) {
		s.queue = m->idiag_rqueue;
		s.limit = m->idiag_wqueue;
	}
	put_address(s.local, m->idiag_family, m->id.idiag_src);
	put_address(s.remote, m->idiag_family, m->id.idiag_dst);
	for (; RTA_OK(a, len); a = RTA_NEXT(a, len))
		take_attribute(&s, a);
	d->fn(d->ctx, &s);
}

/* 1 at the end of the answer, 0 if more follows, or a negative errno. */
static int take_messages(const struct dump *d, const char *data, size_t len)
{
	const struct nlmsghdr *h = (const void *)data;

	for (; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return 1;
		if (h->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(h))->error ? : -EPROTO;
		if (h->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
		    h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
			take(d, h);
	}
	return 0;
}

static int dump(const struct dump *d, uint8_t family, uint32_t states, uint8_t extensions)
{
	_Alignas(struct nlmsghdr) char data[32768];
	int err = request(d->fd, family, states, extensions);

	while (!err) {
		ssize_t n = recv(d->fd, data, sizeof(data), 0);

		if (n < 0 && errno == EINTR)
			continue;
		err = n < 0 ? -errno : n == 0 ? -EPROTO : take_messages(d, data, (size_t)n);
	}
	return err < 0 ? err : 0;
}

int sockets_each(uint32_t states, enum sockets_detail detail, sockets_fn *fn, void *ctx)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	const uint8_t extensions = detail == SOCKETS_QUIET ? 1 << (INET_DIAG_INFO - 1) : 0;
	struct dump d = { .fn = fn, .ctx = ctx };
	int err = 0;

	d.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (d.fd < 0)
		return -errno;
	for (size_t i = 0; !err && i < sizeof(families); i++) {
		err = dump(&d, families[i], states, extensions);
		/* A kernel without IPv6 has no such sockets. */
		if (families[i] == AF_INET6 && (err == -ENOENT || err == -EAFNOSUPPORT))
			err = 0;
	}
	close(d.fd);
	return err;
}
