// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/queues/audit.h"

#include <stddef.h>

#include "bpf/event.h"
#include "daemon/kernel/unreported.h"

/*
 * Each rule bounds the difference (kernel - observed, since the beginning) that it explains.
 * docs/audit.md says what the kernel does in each case.
 */
struct rule {
	const char *name;
	enum netstat_counter counter;
	bool (*explains)(int64_t difference, const struct audit_books *books);
};

/*
 * Both sides count an opening, some microseconds apart: one may be under way on each CPU, and
 * more go by while the books are read.
 */
static bool boundary(int64_t difference, const struct audit_books *books)
{
	int64_t most = (int64_t)(books->cpus + books->window);

	return difference >= -most && difference <= most;
}

/*
 * With TCP_FASTOPEN_CONNECT connect() sets SYN_SENT, and the opening is counted when the first data takes the
 * SYN along, which nothing shows: we count it at the attempt's end. So we lack those that are not over, and
 * make up for those that were not at the beginning. `unbegun` ones are not counted at all.
 */
static bool syn_waits(int64_t difference, const struct audit_books *books)
{
	int64_t slack = (int64_t)(books->cpus + books->window);

	return difference >= -(int64_t)books->first_waiting - slack &&
	       difference <= (int64_t)(books->waiting + books->unbegun) + slack;
}

/*
 * A task can lose its CPU, or sleep, between SYN_SENT and the kernel's counter: any number of tasks can, so no number of
 * CPUs bounds them. But then nothing has come of their attempts. Beside what waits for its first data.
 */
static bool under_way(int64_t difference, const struct audit_books *books)
{
	int64_t slack = (int64_t)(books->cpus + books->window);

	return difference >= -(int64_t)(books->under_way + books->first_waiting) - slack &&
	       difference <= (int64_t)(books->first_under_way + books->waiting + books->unbegun) + slack;
}

/* A client's RST ends a request; before 6.15 no event reports it for certain. */
static bool request_reset(int64_t difference, const struct audit_books *books)
{
	return books->unreported & UNREPORTED_REQUEST_RESET && difference > 0 &&
	       difference <= (int64_t)books->kernel[NETSTAT_EMBRYONIC_RSTS];
}

/* A RST for a segment that no socket took; before 6.10 tcp_send_reset is silent there. */
static bool no_socket(int64_t difference, const struct audit_books *books)
{
	return books->unreported & UNREPORTED_NO_SOCKET && difference > 0;
}

/* Counted, but not sent; before 6.17 tcp_retransmit_skb is silent then. */
static bool send_failed(int64_t difference, const struct audit_books *books)
{
	return books->unreported & UNREPORTED_SEND_FAILED && difference > 0 &&
	       difference <= (int64_t)books->kernel[NETSTAT_RETRANS_FAIL];
}

/*
 * TCPTimeouts also counts the timers of established connections, each of which retransmits or
 * gives up, or sends nothing because the segment has not left this host yet; and of requests that are
 * dropped or deferred. A SYN-ACK sent again in answer to a repeated SYN has no timer.
 */
static bool other_timers(int64_t difference, const struct audit_books *books)
{
	const uint64_t *kernel = books->kernel;
	uint64_t others = kernel[NETSTAT_RETRANS_SEGS] - kernel[NETSTAT_SYN_RETRANS] +
			  kernel[NETSTAT_RETRANS_FAIL] + kernel[NETSTAT_STILL_QUEUED] + kernel[NETSTAT_ABORT_ON_TIMEOUT] +
			  8 * kernel[NETSTAT_DEFER_ACCEPT_DROP] + books->synacks;

	return difference >= -(int64_t)books->synacks && difference <= (int64_t)others;
}

/* A SYN that was to get a cookie, and was then dropped: for a full accept queue, a route. */
static bool cookie_unsent(int64_t difference, const struct audit_books *books)
{
	return difference < 0 && -difference <= (int64_t)books->kernel[NETSTAT_LISTEN_DROPS];
}

/* A valid cookie of which no connection could be made, for no full queue. */
static bool no_child(int64_t difference, const struct audit_books *books)
{
	return difference > 0 && difference <= (int64_t)books->unexplained_drops;
}

/* A valid cookie, for a full accept queue: without its packet (before 6.11) it looks like a refused SYN. */
static bool cookie_refused(int64_t difference, const struct audit_books *books)
{
	return books->unreported & UNREPORTED_REFUSED_COOKIE && difference > 0 &&
	       difference <= (int64_t)books->kernel[NETSTAT_LISTEN_OVERFLOWS];
}

/* Counted since the listener's look: reported at the next one. */
static bool next_look(int64_t difference, const struct audit_books *books)
{
	return difference > 0 && difference <= (int64_t)books->pending;
}

/* The same of ListenDrops, which also count what no queue refused. */
static bool next_look_at_drops(int64_t difference, const struct audit_books *books)
{
	return difference > 0 && difference <= (int64_t)books->pending_drops;
}

/* A child that could not be made, a security module: dropped, but for no full queue. */
static bool no_full_queue(int64_t difference, const struct audit_books *books)
{
	return difference > 0 &&
	       difference <= (int64_t)(books->unexplained_drops + books->pending_drops);
}

/* What a skipped run would have counted is missing, and reported as a loss. Beside what is on its way. */
static bool skipped(int64_t difference, const struct audit_books *books, uint64_t runs)
{
	return runs && difference > 0 && difference <= (int64_t)(runs + books->cpus + books->window);
}

static bool nested_transition(int64_t difference, const struct audit_books *books)
{
	return skipped(difference, books, books->missed[MISSED_TRANSITION]);
}

static bool nested_reset(int64_t difference, const struct audit_books *books)
{
	return skipped(difference, books, books->missed[MISSED_RESET]);
}

/* The end of a request is a RST's, or in the drop of one. */
static bool nested_request(int64_t difference, const struct audit_books *books)
{
	return skipped(difference, books, books->missed[MISSED_RESET] + books->missed[MISSED_EVIDENCE]);
}

static bool nested_failure(int64_t difference, const struct audit_books *books)
{
	const uint64_t *missed = books->missed;

	return skipped(difference, books, missed[MISSED_TRANSITION] + missed[MISSED_RESET] + missed[MISSED_EVIDENCE]);
}

/* What an attempt sent again is counted as that happens, or as it ends. */
static bool nested_retransmit(int64_t difference, const struct audit_books *books)
{
	return skipped(difference, books, books->missed[MISSED_RETRANSMIT] + books->missed[MISSED_TRANSITION]);
}

/* The kernel does not grant the evidence that this counter is held against. */
static bool not_granted(int64_t difference, const struct audit_books *books, uint32_t evidence)
{
	return books->unreported & evidence && difference > 0;
}

static bool no_look(int64_t difference, const struct audit_books *books)
{
	return not_granted(difference, books, UNREPORTED_QUEUES | UNREPORTED_LISTENERS);
}

static bool no_reset_sent(int64_t difference, const struct audit_books *books)
{
	return not_granted(difference, books, UNREPORTED_RESET_SENT);
}

static bool no_syn_retransmit(int64_t difference, const struct audit_books *books)
{
	return not_granted(difference, books, UNREPORTED_SYN_RETRANSMIT);
}

static const struct rule rules[] = {
	{ "boundary", NETSTAT_ACTIVE_OPENS, boundary },
	{ "syn_waits", NETSTAT_ACTIVE_OPENS, syn_waits },
	{ "under_way", NETSTAT_ACTIVE_OPENS, under_way },
	{ "boundary", NETSTAT_PASSIVE_OPENS, boundary },
	{ "boundary", NETSTAT_ATTEMPT_FAILS, boundary },
	{ "request_reset", NETSTAT_ATTEMPT_FAILS, request_reset },
	{ "next_look", NETSTAT_LISTEN_OVERFLOWS, next_look },
	{ "next_look", NETSTAT_LISTEN_DROPS, next_look_at_drops },
	{ "no_full_queue", NETSTAT_LISTEN_DROPS, no_full_queue },
	{ "next_look", NETSTAT_REQQ_FULL_DROP, next_look },
	{ "boundary", NETSTAT_OUT_RSTS, boundary },
	{ "no_socket", NETSTAT_OUT_RSTS, no_socket },
	{ "boundary", NETSTAT_EMBRYONIC_RSTS, boundary },
	{ "request_reset", NETSTAT_EMBRYONIC_RSTS, request_reset },
	{ "boundary", NETSTAT_SYNCOOKIES_SENT, boundary },
	{ "next_look", NETSTAT_SYNCOOKIES_SENT, next_look },
	{ "cookie_unsent", NETSTAT_SYNCOOKIES_SENT, cookie_unsent },
	{ "boundary", NETSTAT_SYNCOOKIES_RECV, boundary },
	{ "next_look", NETSTAT_SYNCOOKIES_RECV, next_look },
	{ "no_child", NETSTAT_SYNCOOKIES_RECV, no_child },
	{ "cookie_refused", NETSTAT_SYNCOOKIES_RECV, cookie_refused },
	{ "boundary", NETSTAT_SYN_RETRANS, boundary },
	{ "send_failed", NETSTAT_SYN_RETRANS, send_failed },
	{ "boundary", NETSTAT_TIMEOUTS, boundary },
	{ "other_timers", NETSTAT_TIMEOUTS, other_timers },
	{ "nested", NETSTAT_ACTIVE_OPENS, nested_transition },
	{ "nested", NETSTAT_PASSIVE_OPENS, nested_transition },
	{ "nested", NETSTAT_ATTEMPT_FAILS, nested_failure },
	{ "nested", NETSTAT_OUT_RSTS, nested_reset },
	{ "nested", NETSTAT_EMBRYONIC_RSTS, nested_request },
	{ "nested", NETSTAT_SYNCOOKIES_RECV, nested_transition },
	{ "nested", NETSTAT_SYN_RETRANS, nested_retransmit },
	{ "nested", NETSTAT_TIMEOUTS, nested_retransmit },
	{ "not_granted", NETSTAT_ATTEMPT_FAILS, no_reset_sent },
	{ "not_granted", NETSTAT_LISTEN_OVERFLOWS, no_look },
	{ "not_granted", NETSTAT_LISTEN_DROPS, no_look },
	{ "not_granted", NETSTAT_REQQ_FULL_DROP, no_look },
	{ "not_granted", NETSTAT_OUT_RSTS, no_reset_sent },
	{ "not_granted", NETSTAT_EMBRYONIC_RSTS, no_reset_sent },
	{ "not_granted", NETSTAT_SYNCOOKIES_SENT, no_look },
	{ "not_granted", NETSTAT_SYNCOOKIES_RECV, no_look },
	{ "not_granted", NETSTAT_SYN_RETRANS, no_syn_retransmit },
	{ "not_granted", NETSTAT_TIMEOUTS, no_syn_retransmit },
};

static const char *find_rule(enum netstat_counter counter, int64_t difference,
			     const struct audit_books *books)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		if (rules[i].counter == counter && rules[i].explains(difference, books))
			return rules[i].name;
	return NULL;
}

bool audit_compare(struct audit_books *last, const struct audit_books *now,
		   struct audit_row rows[AUDIT_COUNTERS])
{
	bool balanced = true;

	for (int i = 0; i < AUDIT_COUNTERS; i++) {
		struct audit_row *row = &rows[i];
		int64_t sum = (int64_t)(now->kernel[i] - now->observed[i]);

		row->name = netstat_names[i];
		row->kernel = now->kernel[i] - last->kernel[i];
		row->observed = now->observed[i] - last->observed[i];
		row->difference = (int64_t)(row->kernel - row->observed);
		row->rule = NULL;
		if (sum) {
			row->rule = find_rule(i, sum, now);
			balanced = balanced && row->rule;
		} else {
			row->rule = "settled"; /* it makes up for an earlier one */
		}
		if (!row->difference)
			row->rule = NULL;
	}
	*last = *now;
	return balanced;
}
