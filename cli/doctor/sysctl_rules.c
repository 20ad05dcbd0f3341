// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The sysctls that decide handshakes. The rules are the kernel's: net/core/sock.c and
 * inet_csk_listen_start() for the backlog, tcp_conn_request() for the SYN queue and cookies,
 * tcp_write_timeout() and reqsk_timer_handler() for the retries, __inet_hash_connect() for ports.
 */
#include "cli/doctor/model.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/addr.h"

#define RTO_MAX_MS 120000 /* TCP_RTO_MAX */

struct judged {
	const struct doctor_host *host;
	struct doctor_finding *finding;
	const char *text; /* the value */
	uint64_t value; /* its first number */
};

static void __attribute__((format(printf, 3, 4)))
say(struct judged *j, enum doctor_verdict verdict, const char *format, ...)
{
	va_list args;

	j->finding->verdict = verdict;
	va_start(args, format);
	vsnprintf(j->finding->detail, sizeof(j->finding->detail), format, args);
	va_end(args);
}

static void advise(struct judged *j, const char *advice)
{
	snprintf(j->finding->advice, sizeof(j->finding->advice), "%s", advice);
}

static bool read_number(const struct doctor_host *host, const char *name, uint64_t *value)
{
	char text[64];

	if (!host->sysctl(host->ctx, name, host->netns, 0, text, sizeof(text)))
		return false;
	*value = strtoull(text, NULL, 10);
	return true;
}

static const struct record_listener *listener_at(const struct doctor_host *host, size_t i)
{
	return &listener_list_at(host->listeners, i)->record.listener;
}

/*
 * The listener of our namespace with the largest limit; how many have at least `at_least`, of all
 * whose limit is known, and how many there are besides.
 */
static const struct record_listener *largest(const struct doctor_host *host, uint64_t at_least,
					     size_t *count, size_t *all, size_t *unknown)
{
	const struct record_listener *found = NULL;

	*count = *all = *unknown = 0;
	for (size_t i = 0; host->listeners && i < listener_list_count(host->listeners); i++) {
		const struct record_listener *l = listener_at(host, i);

		if (l->netns != host->netns)
			continue;
		*unknown += !l->accept.known;
		if (!l->accept.known)
			continue;
		++*all;
		*count += l->accept.max >= at_least;
		if (!found || l->accept.max > found->accept.max)
			found = l;
	}
	return found;
}

/* Whether somebody listens here that nobody can find; its reason. */
static bool some_are_hidden(const struct doctor_host *host, char *why, size_t size)
{
	const struct evidence *e = listener_list_evidence(host->listeners);

	if (!evidence_hides_listeners(e))
		return false;
	evidence_reason(e, CAPABILITY_LISTENERS, why, size);
	return true;
}

static void judge_no_limit(struct judged *j, size_t unknown)
{
	const struct evidence *e = listener_list_evidence(j->host->listeners);
	char why[96] = "not looked at yet";

	if (evidence_refuses(e, CAPABILITY_LOOK))
		evidence_reason(e, CAPABILITY_LOOK, why, sizeof(why));
	else if (evidence_refuses(e, CAPABILITY_LISTENERS))
		evidence_reason(e, CAPABILITY_LISTENERS, why, sizeof(why));
	if (unknown) {
		say(j, DOCTOR_UNKNOWN, "no queue holds more, whatever listen() asks for; the limits of the "
				       "listeners here, %zu of them, are not known (%s)", unknown, why);
	} else if (some_are_hidden(j->host, why, sizeof(why))) {
		say(j, DOCTOR_UNKNOWN, "no queue holds more, whatever listen() asks for; listeners from "
				       "before the daemon cannot be found (%s)", why);
	} else {
		say(j, DOCTOR_OK, "no queue holds more, whatever listen() asks for; %s",
		    listener_list_is_filtered(j->host->listeners) ? "none of those asked for listens here" :
								    "nobody listens here");
	}
}

static void judge_somaxconn(struct judged *j)
{
	size_t at_it, all, unknown;
	const struct record_listener *l = largest(j->host, j->value, &at_it, &all, &unknown);
	char name[128];

	if (!j->host->listeners) {
		say(j, DOCTOR_UNKNOWN, "no queue holds more, whatever listen() asks for; listeners "
				       "could not be asked for");
	} else if (!l) {
		judge_no_limit(j, unknown);
	} else if (at_it) {
		say(j, DOCTOR_NOTE, "%zu of %zu listeners are at it, such as %s: they hold at most this, "
		    "and the kernel does not keep how much listen() asked for", at_it, all,
		    doctor_name_listener(l, name, sizeof(name)));
		advise(j, "where such a queue overflows (see listeners), raise it with sysctl -w, then let "
			  "the application listen() again: only that applies it");
	} else {
		say(j, DOCTOR_OK, "no listener whose limit is known is at it: the largest limit is %llu, %s",
		    (unsigned long long)l->accept.max, doctor_name_listener(l, name, sizeof(name)));
	}
}

static void judge_syn_backlog(struct judged *j)
{
	/* tcp_conn_request(): max_syn_backlog - qlen < max_syn_backlog >> 2 */
	uint64_t cookies, usable = j->value - (j->value >> 2);
	size_t over, all, unknown;
	const struct record_listener *l = largest(j->host, usable + 1, &over, &all, &unknown);
	char name[128];

	if (!read_number(j->host, "net.ipv4.tcp_syncookies", &cookies))
		cookies = 0; /* a kernel without them */
	if (cookies)
		say(j, DOCTOR_OK, "not used while tcp_syncookies is %llu: the limit of a SYN queue is that "
		    "of its accept queue", (unsigned long long)cookies);
	else if (l && over) {
		say(j, DOCTOR_WARN, "without cookies a SYN queue takes strangers up to %llu, three quarters "
		    "of this; %zu of %zu listeners have a larger limit, such as %s (%llu)",
		    (unsigned long long)usable, over, all, doctor_name_listener(l, name, sizeof(name)),
		    (unsigned long long)l->accept.max);
		advise(j, "raise it above the largest limit, or set tcp_syncookies to 1");
	} else
		say(j, unknown || !j->host->listeners ? DOCTOR_UNKNOWN : DOCTOR_OK,
		    "without cookies a SYN queue takes strangers up to %llu, three quarters of this; %s",
		    (unsigned long long)usable,
		    !j->host->listeners ? "listeners could not be asked for" :
		    unknown ? "the limits of listeners are not all known" :
		    "no listener known has a larger limit");
}

static void judge_syncookies(struct judged *j)
{
	if (j->value == 1) {
		say(j, DOCTOR_OK, "a full SYN queue answers with cookies instead of dropping SYNs");
	} else if (j->value == 0) {
		say(j, DOCTOR_WARN, "a full SYN queue drops SYNs: a flood shuts out everybody else");
		advise(j, "sysctl -w net.ipv4.tcp_syncookies=1");
	} else {
		say(j, DOCTOR_WARN, "every SYN is answered with a cookie: options are lost without "
				    "timestamps, and latencies of passive handshakes cannot be known");
		advise(j, "1, unless this is a test");
	}
}

/* tcp_rto_max_ms, from 6.15 on. */
static uint64_t timer_limit_ms(const struct judged *j)
{
	uint64_t ms;

	return read_number(j->host, "net.ipv4.tcp_rto_max_ms", &ms) && ms && ms < RTO_MAX_MS ? ms : RTO_MAX_MS;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Milliseconds until the end of `retries` retransmissions, each timer twice the last, up to the limit. */
static uint64_t waits_ms(uint64_t retries, uint64_t limit_ms)
{
	uint64_t sum = 0;

	for (uint64_t i = 0, timer = 1000; i <= retries && i < 256; i++, timer = least(2 * timer, limit_ms))
		sum += timer;
	return sum;
}

/*
 * When connect() gives up, in milliseconds. From 6.5 on the first timers are `linear`, of 1 s each, and
 * come on top; yet it ends at the first timer that finds it has waited as long as without them
 * (tcp_write_timeout() and retransmits_timed_out()): 3 s for 1 retry and 131 s for 6.
 */
static uint64_t gives_up_after_ms(uint64_t linear, uint64_t retries, uint64_t limit_ms, uint64_t *syns)
{
	uint64_t least_ms = waits_ms(retries, limit_ms), waited = 0, timer = 1000;

	*syns = 0;
	do {
		++*syns;
		waited += timer;
		if (*syns > linear)
			timer = least(2 * timer, limit_ms);
	} while (waited < least_ms && *syns <= retries + linear);
	return waited;
}

static void judge_syn_retries(struct judged *j)
{
	uint64_t linear, syns, total;

	if (!read_number(j->host, "net.ipv4.tcp_syn_linear_timeouts", &linear))
		linear = 0; /* before 6.5 */
	total = gives_up_after_ms(linear, j->value, timer_limit_ms(j), &syns) / 1000;
	say(j, syns < 3 ? DOCTOR_WARN : j->value > 6 ? DOCTOR_NOTE : DOCTOR_OK,
	    "connect() to who does not answer sends %llu SYNs and fails after about %llu s",
	    (unsigned long long)syns, (unsigned long long)total);
	if (syns < 3)
		advise(j, "2 or more: one or two lost SYNs are not rare");
	else if (j->value > 6)
		advise(j, "the default is 6; who cannot wait so long sets a timeout of its own");
}

static void judge_synack_retries(struct judged *j)
{
	uint64_t most = waits_ms(j->value, RTO_MAX_MS) / 1000, limited = waits_ms(j->value, timer_limit_ms(j)) / 1000;
	char or_sooner[80] = "";

	if (limited < most) /* SYN-ACKs are held to it by some kernels only */
		snprintf(or_sooner, sizeof(or_sooner), ", or %llu s if this kernel holds SYN-ACKs to tcp_rto_max_ms",
			 (unsigned long long)limited);
	say(j, j->value < 2 ? DOCTOR_WARN : j->value > 5 ? DOCTOR_NOTE : DOCTOR_OK,
	    "a client that does not answer holds its place in the SYN queue for about %llu s%s",
	    (unsigned long long)most, or_sooner);
	if (j->value < 2)
		advise(j, "2 or more: one or two lost SYN-ACKs are not rare");
	else if (j->value > 5)
		advise(j, "the default is 5; more only lets a SYN flood hold the queue longer");
}

static void judge_abort(struct judged *j)
{
	if (!j->value) {
		say(j, DOCTOR_OK, "a final ACK that finds the accept queue full is dropped, and the client "
				  "may try again");
		return;
	}
	say(j, DOCTOR_WARN, "a final ACK that finds the accept queue full is answered with a RST: a short "
			    "burst becomes errors of clients");
	advise(j, "0, unless clients are to fail at once and go elsewhere");
}

static void judge_fastopen(struct judged *j)
{
	bool client = j->value & 1, server = j->value & 2;
	bool careless = (j->value & 4 && client) || (j->value & 0x200 && server);

	say(j, careless ? DOCTOR_NOTE : DOCTOR_OK, "clients %s, servers %s%s",
	    client ? "may send data in the SYN" : "do not use it",
	    !server ? "do not use it" :
	    j->value & 0x400 ? "all use it" : "may (with setsockopt TCP_FASTOPEN)",
	    careless ? "; without a cookie: who forges addresses is served, too" : "");
}

static const char *name_destination(const struct port_use *use, char *out, size_t size)
{
	char addr[INET6_ADDRSTRLEN] = "?";
	bool v4 = addr_is_ipv4(use->remote);

	if (v4)
		inet_ntop(AF_INET, use->remote + 12, addr, sizeof(addr));
	else
		inet_ntop(AF_INET6, use->remote, addr, sizeof(addr));
	snprintf(out, size, v4 ? "%s:%u" : "[%s]:%u", addr, use->remote_port);
	return out;
}

static void judge_ports(struct judged *j)
{
	struct ports_summary sum;
	unsigned low, high;
	uint64_t size;
	char name[80];

	if (sscanf(j->text, "%u %u", &low, &high) != 2 || low > high || high > 65535) {
		say(j, DOCTOR_UNKNOWN, "it is no range of ports");
		return;
	}
	size = high - low + 1;
	if (j->host->ports(j->host->ctx, (uint16_t)low, (uint16_t)high, &sum) < 0) {
		say(j, DOCTOR_UNKNOWN, "%llu ports for outgoing connections to one destination; which are "
		    "in use the kernel does not show", (unsigned long long)size);
		return;
	}
	if (!sum.busiest) {
		say(j, DOCTOR_OK, "%llu ports for outgoing connections to one destination; none is in use",
		    (unsigned long long)size);
		return;
	}
	say(j, sum.busiest * 10 >= size * 8 ? DOCTOR_WARN : sum.busiest * 2 >= size ? DOCTOR_NOTE : DOCTOR_OK,
	    "%llu ports for outgoing connections to one destination; %llu in use, the most towards %s: "
	    "%llu (%llu %%), TIME_WAIT included", (unsigned long long)size, (unsigned long long)sum.ports,
	    name_destination(&sum.towards, name, sizeof(name)), (unsigned long long)sum.busiest,
	    (unsigned long long)(sum.busiest * 100 / size));
	if (sum.busiest * 2 >= size)
		advise(j, "keep connections and use them again; else widen the range, or use more "
			  "addresses: when all are taken connect() fails with EADDRNOTAVAIL");
}

static const struct {
	const char *name;
	void (*judge)(struct judged *j);
} sysctls[] = {
	{ "net.core.somaxconn", judge_somaxconn },
	{ "net.ipv4.tcp_max_syn_backlog", judge_syn_backlog },
	{ "net.ipv4.tcp_syncookies", judge_syncookies },
	{ "net.ipv4.tcp_syn_retries", judge_syn_retries },
	{ "net.ipv4.tcp_synack_retries", judge_synack_retries },
	{ "net.ipv4.tcp_abort_on_overflow", judge_abort },
	{ "net.ipv4.tcp_fastopen", judge_fastopen },
	{ "net.ipv4.ip_local_port_range", judge_ports },
};

void doctor_judge_sysctls(struct doctor *d, const struct doctor_host *host)
{
	for (size_t i = 0; i < sizeof(sysctls) / sizeof(sysctls[0]); i++) {
		struct judged j = { .host = host };
		char text[64] = "";

		j.finding = doctor_add(d, DOCTOR_SYSCTL, sysctls[i].name, DOCTOR_UNKNOWN);
		j.finding->netns = host->netns;
		j.text = text;
		if (!host->sysctl(host->ctx, sysctls[i].name, host->netns, 0, text, sizeof(text))) {
			say(&j, DOCTOR_UNKNOWN, "this kernel has none, or /proc/sys is not mounted");
			continue;
		}
		snprintf(j.finding->value, sizeof(j.finding->value), "%s", text);
		j.value = strtoull(text, NULL, 10);
		sysctls[i].judge(&j);
	}
}
