// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/records/segment_record.h"

#include "common/connection.h"
#include "common/drop_reason.h"
#include "common/names.h"
#include "daemon/records/parts.h"

static const char *const direction_names[DIRECTIONS] = {
	[RESET_SENT] = "sent",
	[RESET_RECEIVED] = "received",
};

static const char *const phase_names[PHASES] = {
	[PHASE_NONE] = "none",
	[PHASE_SYN_SENT] = "syn_sent",
	[PHASE_SYN_RECV] = "syn_recv",
	[PHASE_ESTABLISHED] = "established",
	[PHASE_CLOSING] = "closing",
};

static const char *const details[RESET_CAUSES] = {
	[RESET_PORT_CLOSED] = "a SYN came for a port where nobody listens",
	[RESET_NO_CONNECTION] = "a segment came for a connection that does not exist",
	[RESET_ABORT] = "the local application ended the connection",
	[RESET_ABORT_ON_OVERFLOW] = "the accept queue was full, and tcp_abort_on_overflow is set",
	[RESET_INVALID] = "an unacceptable segment came for the connection",
	[RESET_LATE] = "a segment came after the connection was closed here",
	[RESET_REFUSED] = "the SYN was answered with a RST",
	[RESET_PEER] = "the peer ended the connection",
};

static const char *const aborts[ABORTS] = {
	[ABORT_UNREAD] = "closed with data that nobody had read",
	[ABORT_LINGER] = "closed with SO_LINGER and a time of 0",
	[ABORT_UNACCEPTED] = "its listener was closed before accept() took it",
	[ABORT_DISCONNECT] = "the application disconnected its socket",
	[ABORT_DESTROYED] = "the connection was destroyed from outside, as by ss -K",
	[ABORT_TIMER] = "the kernel gave it up: no answer to keepalives, or nobody held it any more",
};

/* Of an event, by its own ends. */
#define conn_of(e) \
	connection_hash((e)->local_addr, (e)->local_port, (e)->remote_addr, (e)->remote_port, (e)->client_isn)

static void put_caller(struct buf *b, uint32_t pid, uint32_t uid, const char *comm,
		       const struct listener_owner *owner)
{
	buf_lit(b, ",\"process\":");
	if (pid)
		put_process(b, pid, uid, comm);
	else
		put_owner(b, owner);
	buf_lit(b, "}\n");
}

void record_reset(struct buf *b, const struct event_reset *e, const char *reason,
		  const struct listener_owner *owner)
{
	const char *detail = e->cause == RESET_ABORT ? aborts[e->abort] : NULL;

	put_word(b, "direction", direction_names[e->direction]);
	put_word(b, "phase", phase_names[e->phase]);
	put_member(b, "reason", put_text, reason);
	put_word(b, "cause", reset_cause_names[e->cause]);
	put_word(b, "detail", detail ? detail : details[e->cause]);
	if (e->has_isn)
		put_member(b, "conn", put_hash, conn_of(e));
	put_ends_of(b, e);
	put_caller(b, e->pid, e->uid, e->comm, owner);
}

void record_retransmit(struct buf *b, const struct event_retransmit *e, uint64_t conn,
		       const struct listener *listener)
{
	bool known = e->start_ns != NS_UNKNOWN && e->start_ns <= e->mono_ns;

	put_word(b, "segment", e->segment == SEGMENT_SYN ? "syn" : "syn_ack");
	put_member(b, "attempt", buf_u64, e->attempt);
	put_member(b, "elapsed_ns", put_ns, known ? e->mono_ns - e->start_ns : NS_UNKNOWN);
	if (e->segment == SEGMENT_SYN_ACK)
		put_member(b, "acked", put_bool, e->acked);
	put_member(b, "conn", put_hash, conn);
	put_ends_of(b, e);
	if (e->segment == SEGMENT_SYN_ACK)
		put_member(b, "listener", put_endpoint, listener ? listener->addr : e->local_addr, e->local_port);
	put_caller(b, e->pid, e->uid, e->comm,
		   listener && listener->owner_count ? &listener->owner[0] : NULL);
}

void record_drop(struct buf *b, const struct event_drop *e, const struct listener_owner *owner)
{
	const char *reason = drop_reason_name(e->reason);

	put_word(b, "segment", drop_segment_names[e->segment]);
	put_word(b, "direction", drop_direction_names[e->direction]);
	put_word(b, "reason", reason ? reason : "unknown");
	put_member(b, "conn", put_hash, conn_of(e));
	put_ends_of(b, e);
	put_caller(b, e->pid, e->uid, e->comm, owner);
}
