// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/backlog.h"

#include <stddef.h>

/* A hint, no fact: anybody may ask for these numbers. On the right is where each stands in its source. */
static const struct {
	int64_t asked;
	const char *who;
} defaults[] = {
	{ -1, "mio (tokio)" }, /* mio, LISTEN_BACKLOG_SIZE */
	{ 5, "Python's socketserver" }, /* CPython, Lib/socketserver.py: TCPServer.request_queue_size */
	{ 50, "Java's ServerSocket" }, /* OpenJDK, java/net/ServerSocket.java */
	{ 100, "Python's asyncio" }, /* CPython, Lib/asyncio/base_events.py: create_server() */
	{ 128, "Rust's standard library or Python's listen()" }, /* library/std, TcpListener::bind(); CPython, socketmodule.c */
	{ 511, "nginx, Node.js, Redis or Apache httpd" }, /* NGX_LISTEN_BACKLOG; lib/net.js; tcp-backlog; DEFAULT_LISTENBACKLOG */
	{ 4096, "C's SOMAXCONN" }, /* glibc, bits/socket.h */
};

static const char *who_asks(int64_t asked)
{
	for (size_t i = 0; i < sizeof(defaults) / sizeof(*defaults); i++)
		if (defaults[i].asked == asked)
			return defaults[i].who;
	return NULL;
}

/* As __sys_listen() compares them: a negative number is the largest there is. */
bool backlog_is_clamped(const struct backlog *b)
{
	return b->asked_known && b->got != COUNT_UNKNOWN && (uint32_t)b->asked > b->got;
}

bool backlog_say(struct buf *out, const struct backlog *b)
{
	const char *who = NULL;

	if (b->asked_known)
		who = who_asks(b->asked);
	else if (b->got != COUNT_UNKNOWN)
		who = who_asks((int64_t)b->got);
	if (!b->asked_known && !who)
		return false;
	if (!b->asked_known)
		buf_format(out, "got %llu", (unsigned long long)b->got);
	else if (backlog_is_clamped(b))
		buf_format(out, "asked %lld, got %llu: net.core.somaxconn of this namespace", (long long)b->asked,
			   (unsigned long long)b->got);
	else if (b->got != COUNT_UNKNOWN)
		buf_format(out, "asked %lld and got it", (long long)b->asked);
	else
		buf_format(out, "asked %lld", (long long)b->asked);
	if (who)
		buf_format(out, " (%lld may be the default of %s)",
			   b->asked_known ? (long long)b->asked : (long long)b->got, who);
	return true;
}
