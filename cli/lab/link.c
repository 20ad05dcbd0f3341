// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/lab/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/ipv6.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Unlike numbers at the two ends: a kernel takes up to a second to notice that a link is up whose own number is
 * that of its peer (linkwatch_urgent_event()).
 */
#define HERE 10
#define THERE 11

/* A request under construction; room for all that is asked here. */
struct request {
	struct nlmsghdr header;
	char body[512];
};

static void *append(struct request *r, const void *data, size_t len)
{
	char *at = (char *)r + NLMSG_ALIGN(r->header.nlmsg_len);

	if (data)
		memcpy(at, data, len);
	r->header.nlmsg_len = (uint32_t)(NLMSG_ALIGN(r->header.nlmsg_len) + len);
	return at;
}

/* An attribute; what is appended until finish() is inside. */
static struct rtattr *begin(struct request *r, unsigned short type, const void *data, size_t len)
{
	struct rtattr *a = append(r, NULL, RTA_LENGTH(0));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	append(r, data, len);
	return a;
}

static void finish(const struct request *r, struct rtattr *a)
{
	a->rta_len = (unsigned short)((const char *)r + r->header.nlmsg_len - (char *)a);
}

static struct request new_request(unsigned short type)
{
	return (struct request){ .header = {
		.nlmsg_len = NLMSG_HDRLEN,
		.nlmsg_type = type,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
	} };
}

/* Send it, and wait for what the kernel makes of it. */
static int ask(const struct request *r)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[1024];
	} answer = { 0 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), err = 0;

	if (fd < 0)
		return -errno;
	if (send(fd, r, r->header.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0)
		err = -errno;
	close(fd);
	return err ? err : answer.header.nlmsg_type == NLMSG_ERROR ? answer.error.error : -EPROTO;
}

int lab_link_pair(int other_fd)
{
	struct request r = new_request(RTM_NEWLINK);
	struct ifinfomsg here = { .ifi_index = HERE }, there = { .ifi_index = THERE };
	struct rtattr *info, *data, *peer;

	append(&r, &here, sizeof(here));
	begin(&r, IFLA_IFNAME, LAB_VETH, sizeof(LAB_VETH));
	info = begin(&r, IFLA_LINKINFO, NULL, 0);
	begin(&r, IFLA_INFO_KIND, "veth", sizeof("veth"));
	data = begin(&r, IFLA_INFO_DATA, NULL, 0);
	peer = begin(&r, VETH_INFO_PEER, &there, sizeof(there));
	begin(&r, IFLA_IFNAME, LAB_VETH, sizeof(LAB_VETH));
	begin(&r, IFLA_NET_NS_FD, &other_fd, sizeof(other_fd));
	finish(&r, peer);
	finish(&r, data);
	finish(&r, info);
	return ask(&r);
}

int lab_link_delay(const char *name, uint64_t ns)
{
	struct request r = new_request(RTM_NEWQDISC);
	/* The kernel counts in ticks of 64 ns here (PSCHED_SHIFT). */
	struct tc_netem_qopt netem = { .latency = (uint32_t)(ns >> 6), .limit = 1000 };
	struct tcmsg tc = { .tcm_parent = TC_H_ROOT, .tcm_ifindex = (int)if_nametoindex(name) };

	r.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
	append(&r, &tc, sizeof(tc));
	begin(&r, TCA_KIND, "netem", sizeof("netem"));
	begin(&r, TCA_OPTIONS, &netem, sizeof(netem));
	return ask(&r);
}

static int control(int family, unsigned long request, void *argument)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	err = ioctl(fd, request, argument) < 0 ? -errno : 0;
	close(fd);
	return err;
}

int lab_link_up(const char *name)
{
	struct ifreq r = { .ifr_flags = IFF_UP };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	return control(AF_INET, SIOCSIFFLAGS, &r);
}

static int set_ipv4(const char *name, unsigned long request, uint32_t addr)
{
	struct ifreq r = { 0 };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(addr) };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	memcpy(&r.ifr_addr, &in, sizeof(in));
	return control(AF_INET, request, &r);
}

int lab_link_address(const char *name, uint8_t host)
{
	/* include/uapi/linux/ipv6.h */
	struct in6_ifreq r = {
		.ifr6_addr.s6_addr = { 0xfd, [15] = host },
		.ifr6_prefixlen = 64,
		.ifr6_ifindex = (int)if_nametoindex(name),
	};
	int err = set_ipv4(name, SIOCSIFADDR, 0x0a000000U | host);

	err = err ? err : set_ipv4(name, SIOCSIFNETMASK, 0xffffff00U);
	err = err ? err : control(AF_INET6, SIOCSIFADDR, &r);
	/* A kernel without IPv6 is a host like another. */
	return err == -EAFNOSUPPORT || err == -EPERM ? 0 : err;
}
