// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the listeners asked for, got and lost, against the somaxconn of their own namespace. */
#include "cli/doctor/model.h"

#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"
#include "common/clock.h"
#include "common/duration.h"

/* Who waits longer than the first retransmission timer (RFC 6298, 2.1) is not served in time. */
#define STALL_NS NSEC_PER_SEC

/* Against somaxconn, which may have been another when it called listen(). */
enum clamp { CLAMP_UNKNOWN, CLAMP_BELOW, CLAMP_AT, CLAMP_ABOVE };

const char *doctor_name_listener(const struct record_listener *l, char *out, size_t size)
{
	const char *open = l->local.ipv6 ? "[" : "", *close = l->local.ipv6 ? "]" : "";

	if (l->owner.known)
		snprintf(out, size, "%s/%llu at %s%s%s:%u", l->owner.comm,
			 (unsigned long long)l->owner.pid, open, l->local.addr, close, l->local.port);
	else
		snprintf(out, size, "%s%s%s:%u", open, l->local.addr, close, l->local.port);
	return out;
}

static enum clamp clamp_of(const struct doctor_host *host, const struct record_listener *l,
			   uint64_t *somaxconn)
{
	char text[64];

	if (!l->accept.known || !host->sysctl(host->ctx, "net.core.somaxconn", l->netns,
					      l->owner.known ? l->owner.pid : 0, text, sizeof(text)))
		return CLAMP_UNKNOWN;
	*somaxconn = strtoull(text, NULL, 10);
	return l->accept.max < *somaxconn ? CLAMP_BELOW :
	       l->accept.max == *somaxconn ? CLAMP_AT : CLAMP_ABOVE;
}

/* What it asked for. True if that was seen: then the limit needs no other words. */
static bool say_asked(struct buf *b, const struct record_listener *l)
{
	if (!backlog_say(b, &l->backlog))
		return false;
	buf_lit(b, "; ");
	return l->backlog.asked_known;
}

static void say_limit(struct buf *b, enum clamp clamp,
		      uint64_t somaxconn)
{
	if (clamp == CLAMP_AT)
		buf_format(b, "its limit is somaxconn: whatever listen() asked for, its queues hold at most %llu + 1; ",
			   (unsigned long long)somaxconn);
	else if (clamp == CLAMP_ABOVE)
		buf_format(b, "its limit is above somaxconn, which was lowered to %llu after it called listen(); ",
			   (unsigned long long)somaxconn);
}

static uint64_t refused(const struct record_listener *l)
{
	return l->overflow_syn + l->overflow_ack;
}

static void say_harm(struct buf *b, const struct record_listener *l, bool stalled)
{
	char wait[32];

	if (refused(l))
		buf_format(b, "%llu handshakes refused at the SYN and %llu at the final ACK since the daemon knows it; ",
			   (unsigned long long)l->overflow_syn, (unsigned long long)l->overflow_ack);
	if (l->accept.known && l->accept.len > l->accept.max)
		buf_lit(b, "its accept queue is full; ");
	if (stalled)
		buf_format(b, "a connection has waited %s for accept(); ",
			   duration_format(l->oldest_wait_ns, wait, sizeof(wait)));
	if (l->drops != COUNT_UNKNOWN && l->drops)
		buf_format(b, "the kernel dropped %llu packets for it since it listens (a SYN counts 1, a final ACK 2); ",
			   (unsigned long long)l->drops);
}

static const char *advice_of(const struct record_listener *l, enum clamp clamp, bool stalled, bool harmed)
{
	bool asks_more = backlog_is_clamped(&l->backlog);

	if (stalled)
		return "its accept loop is stalled or too slow: look there; a larger backlog only lets more "
		       "of them wait";
	if (asks_more && clamp == CLAMP_BELOW)
		return "restart it: net.core.somaxconn of its namespace is larger now";
	if (!harmed)
		return clamp == CLAMP_ABOVE ? "its next listen() will get less: see that somaxconn suits it" : "";
	if (asks_more && clamp == CLAMP_AT)
		return "raise net.core.somaxconn in its namespace, and restart it: its listen() asks for more already";
	if (clamp == CLAMP_AT)
		return "raise net.core.somaxconn in its namespace, then the backlog of its listen(), and "
		       "restart it";
	if (clamp == CLAMP_BELOW)
		return "raise the backlog of its listen(); net.core.somaxconn is not what limits it";
	return "raise the backlog of its listen(), which net.core.somaxconn clamps";
}

/* False if there is nothing to say of it. */
static bool judge(struct doctor *d, const struct doctor_host *host, const struct record_listener *l)
{
	bool stalled = l->waiting && l->oldest_wait_ns != NS_UNKNOWN && l->oldest_wait_ns >= STALL_NS;
	bool full = l->accept.known && l->accept.len > l->accept.max;
	bool harmed = refused(l) || full || stalled;
	bool dropped = l->drops != COUNT_UNKNOWN && l->drops;
	uint64_t somaxconn = 0;
	enum clamp clamp = clamp_of(host, l, &somaxconn);
	struct doctor_finding *f;
	struct buf detail = { 0 };
	char name[sizeof(f->name)];

	if (!harmed && !dropped && clamp != CLAMP_AT && clamp != CLAMP_ABOVE && !backlog_is_clamped(&l->backlog))
		return false;
	f = doctor_add(d, DOCTOR_LISTENER, doctor_name_listener(l, name, sizeof(name)),
		       harmed ? DOCTOR_WARN : DOCTOR_NOTE);
	f->netns = l->netns;
	if (l->accept.known)
		snprintf(f->value, sizeof(f->value), "%llu/%llu", (unsigned long long)l->accept.len,
			 (unsigned long long)l->accept.max);
	if (!say_asked(&detail, l) || clamp == CLAMP_ABOVE)
		say_limit(&detail, clamp, somaxconn);
	say_harm(&detail, l, stalled);
	/* Less the last "; ". */
	snprintf(f->detail, sizeof(f->detail), "%.*s",
		 detail.failed ? 0 : (int)detail.len - 2, detail.failed ? "" : detail.data);
	d->findings.failed |= detail.failed;
	buf_free(&detail);
	snprintf(f->advice, sizeof(f->advice), "%s", advice_of(l, clamp, stalled, harmed));
	return true;
}

/* Of those with nothing to say of: what was looked at, and no more. */
static void say_fine(struct doctor_finding *f, const struct doctor_host *host, size_t fine, size_t all)
{
	const struct evidence *e = listener_list_evidence(host->listeners);
	size_t hidden = 0;
	char text[200];

	for (size_t i = 0; i < all; i++)
		hidden += !listener_list_at(host->listeners, i)->record.listener.accept.known;
	if (!all) {
		snprintf(f->detail, sizeof(f->detail), "%s", evidence_no_listeners(e, text, sizeof(text)));
	} else if (*evidence_of_queues(e, text, sizeof(text))) {
		snprintf(f->detail, sizeof(f->detail), "%zu of %zu listeners: nothing was seen to be "
			 "refused; %s", fine, all, text);
	} else {
		snprintf(f->detail, sizeof(f->detail), "%zu of %zu listeners: nothing refused, dropped or "
			 "waiting, and no limit at somaxconn where that could be read", fine, all);
		if (hidden)
			snprintf(f->detail + strlen(f->detail), sizeof(f->detail) - strlen(f->detail),
				 "; %zu queues were not looked at yet", hidden);
	}
	if (evidence_hides_listeners(e) || (hidden && *evidence_of_queues(e, text, sizeof(text))))
		f->verdict = DOCTOR_UNKNOWN;
}

void doctor_judge_listeners(struct doctor *d, const struct doctor_host *host)
{
	size_t all, fine = 0;
	struct doctor_finding *f;

	if (!host->listeners)
		return;
	all = listener_list_count(host->listeners);
	for (size_t i = 0; i < all; i++)
		fine += !judge(d, host, &listener_list_at(host->listeners, i)->record.listener);
	if (!fine && all)
		return;
	f = doctor_add(d, DOCTOR_LISTENER, "others", DOCTOR_OK);
	say_fine(f, host, fine, all);
}
