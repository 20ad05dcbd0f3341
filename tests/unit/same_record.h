/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Two records of a line, read in two ways: the first field in which they differ, or NULL. */
#ifndef TCPSHAKE_SAME_RECORD_H
#define TCPSHAKE_SAME_RECORD_H

#include <string.h>

#include "cli/feed/parsed_record.h"

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_endpoint(const struct endpoint *a, const struct endpoint *b)
{
	return same_text(a->addr, b->addr) && a->port == b->port && a->numeric == b->numeric && a->ipv6 == b->ipv6 &&
	       (!a->numeric || memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0);
}

static bool same_cause(const struct cause *a, const struct cause *b)
{
	return same_text(a->code, b->code) && same_text(a->certainty, b->certainty) && same_text(a->detail, b->detail);
}

#define SAME(member)                      \
	do {                              \
		if (a->member != b->member) \
			return #member;   \
	} while (0)
#define SAME_TEXT(member)                                \
	do {                                             \
		if (!same_text(a->member, b->member))    \
			return #member;                  \
	} while (0)
#define SAME_END(member)                                      \
	do {                                                  \
		if (!same_endpoint(&a->member, &b->member))   \
			return #member;                       \
	} while (0)

static const char *different_handshake(const struct record_handshake *a, const struct record_handshake *b)
{
	SAME_TEXT(conn);
	SAME_TEXT(client_isn);
	SAME(netns);
	SAME(role);
	SAME(outcome);
	SAME_TEXT(role_name);
	SAME_TEXT(outcome_name);
	SAME_TEXT(errno_name);
	SAME_END(local);
	SAME_END(remote);
	SAME(has_nat);
	if (a->has_nat)
		SAME_END(nat);
	SAME(latency_ns);
	SAME(retransmit_wait_ns);
	SAME(retransmits);
	SAME(flags);
	SAME(has_queue);
	SAME(queue_len);
	SAME(queue_max);
	SAME(has_process);
	SAME(pid);
	SAME(uid);
	SAME_TEXT(comm);
	SAME_TEXT(cgroup_path);
	SAME_TEXT(container.id);
	SAME_TEXT(container.name);
	SAME_TEXT(container.pod);
	SAME_TEXT(container.namespace);
	SAME(deferred);
	SAME(inferred);
	return same_cause(&a->cause, &b->cause) ? NULL : "cause";
}

static const char *different_accept(const struct record_accept *a, const struct record_accept *b)
{
	SAME_END(local);
	SAME_END(remote);
	SAME(wait_ns);
	SAME_TEXT(evidence);
	SAME(owner.known);
	SAME(owner.pid);
	SAME(owner.uid);
	SAME_TEXT(owner.comm);
	return NULL;
}

/* `b` is that of a tree, in which numbers are doubles. */
static const char *different_field(const struct record *a, const struct record *b)
{
	SAME(type);
	SAME_TEXT(type_name);
	SAME_TEXT(ts);
	SAME(wall_ns);
	SAME_TEXT(host);
	SAME_TEXT(feed);
	SAME(seq);
	if ((double)a->mono_ns != (double)b->mono_ns)
		return "mono_ns";
	SAME(netns);
	SAME_TEXT(cgroup_path);
	if (a->type == RECORD_HANDSHAKE)
		return different_handshake(&a->handshake, &b->handshake);
	return a->type == RECORD_ACCEPT ? different_accept(&a->accept, &b->accept) : NULL;
}

#undef SAME
#undef SAME_TEXT
#undef SAME_END

#endif
