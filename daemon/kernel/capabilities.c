// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/kernel/capabilities.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"

const struct capability all_capabilities[CAPABILITIES] = {
	[CAP_STATE] = { "inet_sock_set_state", "every handshake", "tcpshaked does not run",
			true, CAPABILITY_UNTRIED },
	[CAP_RETRANSMIT] = { "tcp_retransmit_synack",
			     "the latency of retransmitted passive handshakes",
			     "tcpshaked does not run", true, CAPABILITY_UNTRIED },
	[CAP_UNPREEMPTED] = { "no_preemption", "every handshake while tasks compete for a CPU",
			      "handshakes are missed while tasks compete for a CPU",
			      false, CAPABILITY_UNTRIED },
	[CAP_TAKEOVER] = { "nested_events", "state changes in an interrupt that comes while a program runs",
			   "they are missed, and counted as `loss` for `nested`", false, CAPABILITY_UNTRIED },
	[CAP_FILES] = { "listener_iterator",
			   "the queues of listeners that were there before the daemon",
			   "/proc shows these listeners and their owners, at a higher price; not their queues",
			   false, CAPABILITY_UNTRIED },
	[CAP_LOOK] = { "queue_look", "the depth of the queues, refused SYNs",
		       "listeners without their queues; a refused SYN is counted, but not whose it was",
		       false, CAPABILITY_UNTRIED },
	[CAP_KFREE] = { "kfree_skb", "each refused final ACK with its client, at once",
			"it is reported when its SYN-ACK goes out again, or by ack_hooks", false, CAPABILITY_UNTRIED },
	[CAP_REASON] = { "overflow_reason", "the stage of a refusal, by kfree_skb (6.15)",
			 "ack_hooks show it; else a refusal by the accept queue is probable",
			 false, CAPABILITY_UNTRIED },
	[CAP_RESET_SENT] = { "tcp_send_reset", "RSTs sent", "no such reset records; a closed port and a firewall look alike",
			     false, CAPABILITY_UNTRIED },
	[CAP_RESET_RECEIVED] = { "tcp_receive_reset", "RSTs received",
				 "no such reset records; a RST and an ICMP message look alike", false,
				 CAPABILITY_UNTRIED },
	[CAP_RETRANSMIT_SYN] = { "tcp_retransmit_skb", "when SYNs went out again",
				 "only how often a SYN went out again, not when, nor which segment was lost",
				 false, CAPABILITY_UNTRIED },
	[CAP_NEIGHBOUR] = { "neigh_timer_handler",
			    "to distinguish a silent next hop from a router's ICMP message",
			    "cause icmp_unreachable for both", false, CAPABILITY_UNTRIED },
	[CAP_ATOMICS] = { "fetch_atomics", "the cheaper table of attempts",
			  "a hash table keeps them", false, CAPABILITY_UNTRIED },
	[CAP_FUNCTIONS] = { "function_hooks", "each refused SYN with its client, at once",
			    "SYNs are counted by listener at the next look, without the client", false, CAPABILITY_UNTRIED },
	[CAP_ACK_HOOKS] = { "ack_hooks",
			    "without kfree_skb and overflow_reason: each refused final ACK, each RST to a pending request",
			    "final ACKs as overflow_reason says; no such RST", false, CAPABILITY_UNTRIED },
	[CAP_RESET_HOOKS] = { "reset_hooks", "before 6.10: each RST sent without a connection",
			      "of those RSTs only closed ports', by kfree_skb", false, CAPABILITY_UNTRIED },
	[CAP_REQUEST_FUNCTION] = { "request_function", "how many requests each new one finds in the SYN queue",
				   "of SYN queues the length at each look only", false, CAPABILITY_UNTRIED },
	[CAP_CLOSE] = { "connection_ends", "how connections end, if --events asks for it", "no `close` records", false,
			CAPABILITY_UNTRIED },
	[CAP_ACCEPT_FUNCTION] = { "accept_function", "how long connections wait for accept()",
				  "--accept-wait=syscall can show it", false, CAPABILITY_UNTRIED },
	[CAP_ACCEPT_SYSCALL] = { "accept_syscall",
				 "the same, without function hooks or io_uring",
				 "accept_function can show it", false, CAPABILITY_UNTRIED },
	[CAP_CONNECT_FUNCTION] = { "connect_function",
				   "--connect-errors: each connect() that fails at once, and who refused it",
				   "connect_syscall can show it, but not whether a program, a module or the routes refused it",
				   false, CAPABILITY_UNTRIED },
	[CAP_CONNECT_SYSCALL] = { "connect_syscall", "the same, without function hooks, io_uring or who refused it",
				  "connect_function can show it; without both a connect() that fails at once is not reported",
				  false, CAPABILITY_UNTRIED },
};

const char *capability_error(const struct capability *c)
{
	return c->error == CAPABILITY_UNTRIED ? "not tried" : strerror(-c->error);
}

/* ---- refusals on demand ---- */

static const struct capability *find(const char *name, size_t len)
{
	for (int i = 0; i < CAPABILITIES; i++)
		if (strlen(all_capabilities[i].name) == len && memcmp(all_capabilities[i].name, name, len) == 0)
			return &all_capabilities[i];
	return NULL;
}

/* The next name of a list, and its length; NULL at the end. */
static const char *next_name(const char **list, size_t *len)
{
	const char *name = *list + strspn(*list, ", ");

	*len = strcspn(name, ", ");
	*list = name + *len;
	return *len ? name : NULL;
}

static bool is_all(const char *name, size_t len)
{
	return len == 3 && memcmp(name, "all", 3) == 0;
}

static const char *wanted_refusals(void)
{
	const char *value = getenv("TCPSHAKE_REFUSE");

	return value ? value : "";
}

bool capability_refused(const char *name)
{
	const char *list = wanted_refusals(), *one;
	size_t len;

	while ((one = next_name(&list, &len))) {
		if (strlen(name) == len && memcmp(one, name, len) == 0)
			return true;
		if (is_all(one, len) && !find(name, strlen(name))->required)
			return true;
	}
	return false;
}

bool capabilities_check_refusals(void)
{
	const char *list = wanted_refusals(), *one;
	size_t len;

	while ((one = next_name(&list, &len))) {
		if (is_all(one, len) || find(one, len))
			continue;
		log_error("TCPSHAKE_REFUSE: there is no evidence %.*s; tcpshaked --probe lists the names",
			  (int)len, one);
		return false;
	}
	return true;
}
