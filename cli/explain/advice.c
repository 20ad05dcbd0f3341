// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/explain/advice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/drop_reason.h"
#include "common/duration.h"

/* Who waits longer than the first retransmission timer (RFC 6298, 2.1) is not served in time. */
#define STALL_NS NSEC_PER_SEC

/* The one numbered `i` of those that are this side's; NULL if there are no more. */
static const struct look *look_at(const struct explain_cause *c, size_t i)
{
	enum look_kind others = c->by == CAUSE_BY_LISTENER ? LOOK_CLIENT : LOOK_SERVER;

	for (size_t at = 0; c->row && at < LOOKS && c->row->looks[at].name; at++)
		if (c->row->looks[at].kind != others && i-- == 0)
			return &c->row->looks[at];
	return NULL;
}

bool explain_fact(const struct explain_cause *c, const struct explain_host *host, size_t i,
		  struct explain_fact *fact)
{
	static const char neighbours[] = "net.ipv4.neigh.";
	const struct look *look = look_at(c, i);

	if (!look)
		return false;
	*fact = (struct explain_fact){ .why = look->why };
	snprintf(fact->name, sizeof(fact->name), "%s", look->name);
	if (strncmp(look->name, neighbours, strlen(neighbours)) == 0 && strchr(c->addr, ':'))
		fact->name[strlen("net.ipv")] = '6';
	if (look->kind != LOOK_PLAIN && look->kind != LOOK_LIMIT && host->sysctl) {
		fact->has_value = host->sysctl(host->ctx, c, fact->name, fact->value,
					       sizeof(fact->value));
	} else if (look->kind == LOOK_LIMIT && c->limit != COUNT_UNKNOWN) {
		fact->has_value = true;
		snprintf(fact->value, sizeof(fact->value), "%llu", (unsigned long long)c->limit);
	}
	return true;
}

/* What to do about the limit, as far as it and somaxconn are known. */
static void advise_limit(const struct explain_cause *c, const struct explain_host *host,
			 struct buf *b)
{
	static const char name[] = "net.core.somaxconn";
	char value[32];

	if (c->limit == COUNT_UNKNOWN || !host->sysctl ||
	    !host->sysctl(host->ctx, c, name, value, sizeof(value)))
		buf_lit(b, "raise the backlog of listen(), which net.core.somaxconn clamps.");
	else if (c->limit >= strtoull(value, NULL, 10))
		buf_lit(b, "the backlog is at net.core.somaxconn: raise that first, then the backlog "
			   "of listen().");
	else
		buf_lit(b, "raise the backlog of the application's listen(); net.core.somaxconn is "
			   "not what limits it.");
}

static void advise_accept_queue(const struct explain_cause *c, const struct explain_host *host,
				struct buf *b)
{
	char wait[32] = "";

	if (c->oldest_wait_ns == NS_UNKNOWN) {
		buf_lit(b, "How long connections wait for accept() was not seen; ");
		if (host->evidence && evidence_refuses(host->evidence, CAPABILITY_LOOK))
			buf_lit(b, "it cannot be where the queues cannot be looked at. ");
		else
			buf_lit(b, "tcpshake listeners shows it. ");
		buf_lit(b, "If accept() is stalled, no backlog is large enough; if not, ");
		advise_limit(c, host, b);
		return;
	}
	duration_format(c->oldest_wait_ns, wait, sizeof(wait));
	if (c->oldest_wait_ns >= STALL_NS) {
		buf_lit(b, "A connection waited ");
		buf_str(b, wait);
		buf_lit(b, " for accept(): the accept loop is stalled or too slow. Look there; a "
			   "larger backlog only lets more of them wait.");
		return;
	}
	buf_lit(b, "accept() is not stalled, as far as the queue was looked at (the longest wait seen "
		   "was ");
	buf_str(b, wait);
	buf_lit(b, "), so bursts are larger than the queue: ");
	advise_limit(c, host, b);
}

/* What it asked for, and whether others of its port stand idle beside it. */
static void say_more(const struct explain_cause *c, struct buf *b)
{
	struct buf asked = { 0 }, group = { 0 };

	if (backlog_say(&asked, &c->backlog))
		buf_format(b, " It %s.", buf_text(&asked));
	if (c->group && group_say(&group, c->group))
		buf_format(b, " %s.", buf_text(&group));
	b->failed |= asked.failed || group.failed;
	buf_free(&asked);
	buf_free(&group);
}

static void advise_full_queue(const struct explain_cause *c, const struct explain_host *host, struct buf *b)
{
	advise_accept_queue(c, host, b);
	say_more(c, b);
}

static const char *const advice_of_drops[DROP_GROUPS] = {
	[DROP_BY_FIREWALL] =
		"A rule of this host's own firewall drops it. In that namespace, nft monitor trace (after a rule with meta nftrace "
		"set 1) or iptables -vL shows which.",
	[DROP_BY_ROUTE] =
		"This host does not take that source or destination on that interface: compare ip route get of the source with the "
		"interface that it comes by, and net.ipv4.conf.*.rp_filter (0 of all and of the interface turns the check off).",
	[DROP_BY_POLICY] =
		"A program or module that decides about packets drops it: bpftool cgroup tree, tc filter show, ip xfrm policy, "
		"and the log of the security module show which there are.",
	[DROP_BY_KEYS] = "The keys of TCP-MD5 or TCP-AO do not agree: each side needs the other's address, and the same key.",
	[DROP_BY_TIMESTAMPS] =
		"Its timestamp is older than what the kernel remembers of the same ends: clients behind one address (NAT) whose "
		"clocks differ, or ports that are used again too soon.",
	[DROP_BY_MEMORY] =
		"The kernel had no memory for it: look at net.ipv4.tcp_mem, at the limits of the cgroup, and at the host's memory.",
	[DROP_BY_QUEUE] =
		"A queue of a device or of a CPU had no room for it: tc -s qdisc, ip -s link and /proc/net/softnet_stat show which.",
};

/* The newest sentence has the kernel's reason, as a word of its own. */
static enum drop_group group_in(const char *sentence)
{
	static const char word[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
	enum drop_group group = DROP_BY_OTHERS;
	char name[64];

	while (sentence && *sentence && group == DROP_BY_OTHERS) {
		size_t len = strspn(sentence, word);

		snprintf(name, sizeof(name), "%.*s", (int)len, sentence);
		group = drop_group_of(name);
		sentence += len ? len : 1;
	}
	return group;
}

static void advise_drop(const struct explain_cause *c, struct buf *b)
{
	const char *advice = advice_of_drops[group_in(c->evidence)];

	buf_str(b, advice ? advice : c->row->advice);
}

void explain_advice(const struct explain_cause *c, const struct explain_host *host, struct buf *b)
{
	if (strcmp(c->code, "accept_queue_full") == 0)
		advise_full_queue(c, host, b);
	else if (c->row && strcmp(c->code, "local_drop") == 0)
		advise_drop(c, b);
	else if (c->row)
		buf_str(b, c->row->advice);
	else
		buf_lit(b, "This version of tcpshake does not know this cause: use that of the daemon.");
}
