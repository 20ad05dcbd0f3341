// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Calls as a C programmer reads them. */
#include "cli/lab/call.h"

#include "common/duration.h"

static const char *family_name(int family)
{
	return family == AF_INET6 ? "AF_INET6" : family == AF_UNIX ? "AF_UNIX" : "AF_INET";
}

static void put_address(const struct lab_call *c, struct buf *b)
{
	char span[32];

	buf_format(b, ", %s%s", c->address.text, c->nonblock ? ", O_NONBLOCK" : "");
	if (c->timeout_ns)
		buf_format(b, ", O_NONBLOCK) + poll(%s", duration_format(c->timeout_ns, span, sizeof(span)));
}

static void put_option(const struct lab_call *c, struct buf *b)
{
	buf_format(b, ", %s", c->option->name);
	if (c->code == LAB_SETSOCKOPT)
		buf_format(b, ", %d", c->number);
}

void lab_call_text(const struct lab_call *c, const struct lab_socket *on, struct buf *b)
{
	static const char *const hows[] = { ", SHUT_RD", ", SHUT_WR", ", SHUT_RDWR" };

	buf_format(b, "%s(%s", lab_calls[c->code], c->code == LAB_SOCKET ? family_name(c->family) : on->name);
	if (c->code == LAB_SOCKET)
		buf_str(b, c->protocol ? ", SOCK_STREAM, IPPROTO_MPTCP" : ", SOCK_STREAM, 0");
	else if (c->code == LAB_BIND || c->code == LAB_CONNECT)
		put_address(c, b);
	else if (c->code == LAB_LISTEN || c->code == LAB_SEND || c->code == LAB_RECV)
		buf_format(b, ", %d", c->number);
	else if (c->code == LAB_SHUTDOWN)
		buf_str(b, hows[c->how]);
	else if (c->option)
		put_option(c, b);
	if (c->nonblock && c->code != LAB_CONNECT)
		buf_str(b, c->code == LAB_ACCEPT ? ", O_NONBLOCK" : ", MSG_DONTWAIT");
	buf_lit(b, ")");
}
